Kind = "service-router"
Name = "payments"
Routes = [
  {
    Match {
      HTTP {
        PathPrefix = "/shop.v1.Payments/"
        Header     = [{ Name = "x-gray", Exact = "canary" }]
      }
    }
    Destination {
      ServiceSubset  = "canary"
      RequestTimeout = "2s"
    }
  },
]
