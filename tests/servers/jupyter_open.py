"""Jupyter Server without a token and its kernel client: a kernel started, code run over the WebSocket, the kernel stopped."""
import json
import os
import sys

import kit


def serve(host, port, folder):
    os.execve(sys.executable, [sys.executable, "-m", "jupyter_server", "--allow-root", f"--ip={host}", f"--port={port}", "--no-browser",
                               "--IdentityProvider.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True",
                               "--ServerApp.allow_origin=*", f"--ServerApp.root_dir={folder}"], {**os.environ, "HOME": folder, "JUPYTER_PLATFORM_DIRS": "1"})


def drive(host, port, _):
    import requests
    from jupyter_kernel_client import JupyterKernelClient

    sent = requests.Session.send

    def send(session, request, **kwargs):
        r = sent(session, request, **kwargs)
        operation = {("GET", "kernels"): "list_kernels", ("POST", "kernels"): "start_kernel", ("DELETE", "kernels"): "stop_kernel",
                     ("PUT", "contents"): "write_file", ("GET", "contents"): "read_file"}.get((request.method, request.path_url.split("/")[2]))
        # A kernel by its number is asked for its state: no dialect calls that a call.
        if operation and not (request.method == "GET" and request.path_url.count("/") > 2 and "kernels" in request.path_url):
            kit.ai("jupyter", operation, request__path=request.path_url.split("?")[0], request__method=request.method, response__status=r.status_code)
        return r

    requests.Session.send = send
    url = f"http://{host}:{port}"
    requests.put(f"{url}/api/contents/a.txt", data=json.dumps({"type": "file", "format": "text", "content": "ebb"}),
                 headers={"Content-Type": "application/json"})
    requests.get(f"{url}/api/contents/a.txt")
    code = "print('tide ' * 3)\n1 + 41"
    with JupyterKernelClient(server_url=url, token=None) as kernel:
        kernel.list_kernels()
        r = kernel.execute(code)
        said = [o.get("text") or o["data"]["text/plain"] for o in r["outputs"]]
        kit.ai("jupyter", "execute_code", carrier="websocket", request__credential="none", tool_arguments=code, tool_results=said)


if __name__ == "__main__":
    kit.main(serve, drive)
