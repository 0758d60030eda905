Kind          = "service-resolver"
Name          = "payments"
DefaultSubset = "stable"
Subsets = {
  stable = { Filter = "stable in Service.Tags" }
  canary = { Filter = "canary in Service.Tags" }
}
Failover = {
  "*" = { Datacenters = ["dc2"] }
}
