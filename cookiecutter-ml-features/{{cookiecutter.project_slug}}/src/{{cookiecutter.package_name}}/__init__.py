"""{{ cookiecutter.project_name | replace('\\', '\\\\') | replace('"', '\\"') }}: from landed files to gold tables."""
