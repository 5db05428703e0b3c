"""KServe's ``InferenceService`` of a model repository, which it serves by Triton."""

import json
import re

from ..support import InputError

_LONGEST = 63


def inference_service(name: str, storage_uri: str) -> str:
    """The file that ``kubectl apply -f`` takes.

    Args:
        name: the model's; Kubernetes knows it in small letters, digits and ``-``.
        storage_uri: of the repository, the folder above the model's.

    Raises:
        InputError: it is no address.
    """
    if not re.match(r"[a-z][a-z0-9+.-]*://\S+$", storage_uri):
        raise InputError(
            f"--storage-uri {storage_uri!r} is no address", "one such as s3://bucket/repository", "give such a one"
        )
    label = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:_LONGEST].strip("-") or "model"
    # YAML takes JSON's strings as they are
    return f"""apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {json.dumps(label)}
spec:
  predictor:
    model:
      modelFormat:
        name: triton
      protocolVersion: v2
      storageUri: {json.dumps(storage_uri)}
"""
