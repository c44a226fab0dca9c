"""What a registered model answers wherever MLflow loads it: in a job, in the service, on an endpoint.

A copy of this file goes into the registry with every version and is read from there. So it needs nothing of the
project, and a version answers as it did when it was registered, whatever this file says later.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
else:
    # MLflow reads the annotation of `predict` and knows this type only.
    Numbers = np.ndarray


class Answering(PythonModel):
    """A fitted estimator that answers with one number for each row.

    MLflow's own wrapper of scikit-learn would answer with a class where a probability is wanted.
    """

    estimator: Any

    def load_context(self, context: Any) -> None:
        """Read the estimator that was registered with this file."""
        self.estimator = pickle.loads(Path(context.artifacts["estimator"]).read_bytes())

    def predict(self, context: Any, model_input: Numbers, params: dict[str, Any] | None = None) -> Numbers:
        """Return the probability of class 1 from a classifier, the amount from a regressor.

        Args:
            context: Of MLflow.
            model_input: Rows by features, in the order that the model was trained with; NaN where nothing is known.
            params: There are none.
        """
        rows = np.asarray(model_input, dtype=np.float64)
        if hasattr(self.estimator, "predict_proba"):
            return np.asarray(self.estimator.predict_proba(rows)[:, 1], dtype=np.float64)
        return np.asarray(self.estimator.predict(rows), dtype=np.float64)


set_model(Answering())
