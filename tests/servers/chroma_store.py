"""Chroma's server and its own client: collections made, filled, asked, read, emptied and removed."""
import os
import sys

import kit


def serve(host, port, folder):
    command = os.path.join(os.path.dirname(sys.executable), "chroma")
    os.execv(command, [command, "run", "--path", folder, "--host", host, "--port", str(port)])


def drive(host, port, _):
    import chromadb
    from chromadb.config import Settings

    kit.log_requests()
    client = chromadb.HttpClient(host=host, port=port, settings=Settings(anonymized_telemetry=False))
    note = lambda operation, **fields: kit.ai("chroma", operation, request__credential="none", **fields)
    client.heartbeat()
    kit.ai("chroma", None, request__path="/api/v2/heartbeat")
    c = client.create_collection("tides", embedding_function=None)
    note("create_collection", request__collection="tides")
    inside = {"request__collection": str(c.id)}
    texts = ["Ebb \"runs\" out.", "Flood 潮 comes in."]
    c.add(ids=["1", "2"], documents=texts, embeddings=[[0.1, 0.2], [0.3, -0.4]], metadatas=[{"a": 1}, {"a": 2}])
    note("upsert", **inside, request__messages=2, prompt=texts[-1])
    c.upsert(ids=["2"], documents=["Flood, again."], embeddings=[[0.3, 0.5]])
    note("upsert", **inside, request__messages=1, prompt="Flood, again.")
    r = c.query(query_embeddings=[[0.3, 0.5]], n_results=2)
    note("query", **inside, completion="".join(d for found in r["documents"] for d in found))
    r = c.get(ids=["1"])
    note("query", **inside, completion="".join(r["documents"]))
    c.count()
    note("query", **inside, request__method="GET")
    c.delete(ids=["1"])
    note("delete", **inside)
    listed = [x.name for x in client.list_collections()]
    note("list_collections", response__models=listed)
    client.delete_collection("tides")
    note("delete_collection", request__collection="tides")
    try:
        c.query(query_embeddings=[[0.3, 0.5]], n_results=2)
    except Exception as e:
        note("query", **inside, response__status=404, response__error_type=type(e).__name__)


if __name__ == "__main__":
    kit.main(serve, drive)
