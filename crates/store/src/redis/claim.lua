#!lua
-- Makes the caller the owner of a lane.
--
-- KEYS: the lane. ARGV: 1 ttl cap in ms, 2 the least epoch before, 3 a token of this claim.
-- Returns {epoch, seq, previous epoch}. The same token again returns the same claim.
local call = redis.call
local cap = tonumber(ARGV[1])
if not cap or not (cap >= 1) then
  return redis.error_reply('WAXSEAL no ttl cap was given')
end
if cap > 2592000000 then
  cap = 2592000000
end
local lane = KEYS[1]
local stored = call('HMGET', lane, 'e', 's', 'c', 'p')
local epoch = stored[1] or '0'
local seq = stored[2] or '0'
local previous = stored[4] or '0'
if stored[3] ~= ARGV[3] then
  previous = epoch
  epoch = string.format('%.0f', math.max(tonumber(epoch), tonumber(ARGV[2])) + 1)
  call('HSET', lane, 'e', epoch, 's', seq, 'c', ARGV[3], 'p', previous)
end
call('PEXPIRE', lane, cap)
return {epoch, seq, previous}
