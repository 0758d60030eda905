# Routers and splitters are for services whose protocol has requests.
Kind     = "service-defaults"
Name     = "payments"
Protocol = "grpc"
