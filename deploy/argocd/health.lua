-- How Argo CD reads the conditions of every kind of opssight.dev.
local health = {status = "Progressing", message = "not reconciled yet"}
if obj.status == nil or obj.status.conditions == nil then
  return health
end
if obj.status.observedGeneration ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  health.message = "the latest spec is not reconciled yet"
  return health
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    health.message = condition.reason .. ": " .. (condition.message or "")
    if condition.reason == "Suspended" then
      health.status = "Suspended"
    elseif condition.status == "True" then
      health.status = "Healthy"
    elseif condition.status == "False" and condition.reason ~= "WarmingUp" and condition.reason ~= "InsufficientHistory" then
      health.status = "Degraded"
    end
  end
end
return health
