"""`grpcio` and its health service: calls with and without errors, a stream, many at once on one connection; records of
services that no dialect knows."""
import concurrent.futures

import kit


def serve(host, port, _):
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    servicer = health.HealthServicer()
    servicer.set("tide", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"{host}:{port}")
    server.start()
    server.wait_for_termination()


def drive(host, port, _):
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    def note(method, status):
        kit.expect("grpc", service="grpc.health.v1.Health", method=method, status=status.value[0])

    with grpc.insecure_channel(f"{host}:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("tide", "", "nobody"):
            try:
                stub.Check(health_pb2.HealthCheckRequest(service=service))
                note("Check", grpc.StatusCode.OK)
            except grpc.RpcError as e:
                note("Check", e.code())
        calls = [stub.Check.future(health_pb2.HealthCheckRequest(service="tide")) for _ in range(20)]
        for c in calls:
            c.result()
            note("Check", c.code())
        unknown = channel.unary_unary("/tide.Tables/Nothing", request_serializer=bytes, response_deserializer=bytes)
        try:
            unknown(b"\x0a\x01x")
        except grpc.RpcError as e:
            kit.expect("grpc", service="tide.Tables", method="Nothing", status=e.code().value[0])


if __name__ == "__main__":
    kit.main(serve, drive)
