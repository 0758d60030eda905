Kind = "service-splitter"
Name = "payments"
Splits = [
  { Weight = 90, ServiceSubset = "stable" },
  { Weight = 10, ServiceSubset = "canary" },
]
