"""MLServer with a model of its own, asked by Triton's clients over HTTP and gRPC (KServe's protocol, version 2): state,
metadata, inference, the repository. gRPC is a thousand ports further."""
import json
import os
import sys

import kit

MODEL = """
from mlserver import MLModel
from mlserver.types import InferenceResponse, ResponseOutput


class Echo(MLModel):
    async def load(self):
        return True

    async def predict(self, payload):
        outputs = [ResponseOutput(name="echo", shape=i.shape, datatype=i.datatype, data=i.data) for i in payload.inputs]
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=outputs)
"""
GRPC = 1000


def serve(host, port, folder):
    with open(os.path.join(folder, "tide_model.py"), "w") as f:
        f.write(MODEL)
    with open(os.path.join(folder, "settings.json"), "w") as f:
        json.dump({"host": host, "http_port": port, "grpc_port": port + GRPC, "metrics_port": port + 2 * GRPC, "parallel_workers": 0}, f)
    with open(os.path.join(folder, "model-settings.json"), "w") as f:
        json.dump({"name": "tide", "implementation": "tide_model.Echo"}, f)
    command = os.path.join(os.path.dirname(sys.executable), "mlserver")
    os.execve(command, [command, "start", folder], {**os.environ, "PYTHONPATH": folder})


def note(operation, **fields):
    kit.ai("kserve", operation, **fields)


def over_http(url):
    import numpy
    import tritonclient.http as http

    client = http.InferenceServerClient(url)
    paths = []
    for name in ("_get", "_post"):
        def noted(request_uri, *args, _sent=getattr(client, name), **kwargs):
            r = _sent(request_uri, *args, **kwargs)
            paths.append("/" + request_uri.strip("/"))
            return r
        setattr(client, name, noted)
    client.is_server_live()
    note(None, request__path=paths[-1])
    client.is_server_ready()
    note(None, request__path=paths[-1])
    client.is_model_ready("tide")
    note("show_model", request__model="tide", request__path=paths[-1])
    client.get_model_metadata("tide")
    note("show_model", request__model="tide", request__path=paths[-1])
    texts = numpy.array([["low water".encode()], ["høj 潮".encode()]], dtype=object)
    i = http.InferInput("text", [2, 1], "BYTES")
    i.set_data_from_numpy(texts, binary_data=False)
    r = client.infer("tide", [i], request_id="r-1", outputs=[http.InferRequestedOutput("echo", binary_data=False)])
    note("infer", request__model="tide", response__model=r.get_response()["model_name"], response__id=r.get_response()["id"],
         prompt=r.as_numpy("echo").flatten()[-1])
    client.unload_model("tide")
    note("unload_model", request__model="tide", request__path=paths[-1])
    client.load_model("tide")
    note("load_model", request__model="tide", request__path=paths[-1])
    # The server wants a body, the client sends none: it says so, and cannot read why.
    try:
        client.get_model_repository_index()
    except http.InferenceServerException as e:
        note("list_models", response__status=int(e.status() or 422), response__models=None)
    try:
        client.infer("nobody", [i])
    except http.InferenceServerException as e:
        note("infer", request__model="nobody", response__status=404, error=e.message())
    client.close()


def over_grpc(url):
    import numpy
    import tritonclient.grpc as rpc

    service = "inference.GRPCInferenceService"
    client = rpc.InferenceServerClient(url)

    def called(operation, method, status=0, **fields):
        note(operation, carrier="http/2+grpc", rpc__service=service, rpc__method=method, rpc__status=status, **fields)

    client.is_server_live()
    called(None, "ServerLive")
    client.is_model_ready("tide")
    called("show_model", "ModelReady", request__model="tide")
    m = client.get_model_metadata("tide")
    called("show_model", "ModelMetadata", request__model="tide", response__model=m.name)
    for n in range(20):
        i = rpc.InferInput("x", [1, 500], "FP32")
        i.set_data_from_numpy(numpy.full((1, 500), n, dtype=numpy.float32))
        r = client.infer("tide", [i], request_id=f"r-{n}")
        called("infer", "ModelInfer", request__model="tide", response__model=r.get_response().model_name, response__id=r.get_response().id)
    index = client.get_model_repository_index()
    called("list_models", "RepositoryIndex", response__models=[m.name for m in index.models])
    try:
        client.infer("nobody", [i])
    except rpc.InferenceServerException as e:
        code = {"StatusCode.NOT_FOUND": 5, "StatusCode.INVALID_ARGUMENT": 3, "StatusCode.UNKNOWN": 2}[e.status()]
        called("infer", "ModelInfer", code, request__model="nobody")
    client.close()


def drive(host, port, _):
    over_http(f"{host}:{port}")
    over_grpc(f"{host}:{port + GRPC}")


if __name__ == "__main__":
    kit.main(serve, drive)
