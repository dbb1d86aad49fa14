package relay

import "github.com/redis/go-redis/v9"

// The scripts. Numbers of records travel as decimal text, since Lua's own numbers are exact only to 2^53. Each is one
// atomic step; Script.Run sends EVALSHA and falls back to EVAL, which does not work in pipelines, so they stand alone.

// announceScript enters origins into the announced set, at Redis's own time.
//
// KEYS[1] -> affiliate:origins
// --
// ARGV[1] -> "announce" (an edge: set the score anew) or "adopt" (a hub: only those that are absent)
// ARGV[2…] -> origins
//
// Returns the origins that were absent.
//
// The time is the server's because idle members are dropped by age and the clocks of edges differ. It is allowed out of
// memory: an origin that nobody knows of could never be drained.
var announceScript = redis.NewScript(`#!lua flags=allow-oom
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'zset' and kind ~= 'none' then redis.call('DEL', KEYS[1]) end
local t = redis.call('TIME')
local ms = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
local absent = {}
for i = 2, #ARGV do
	if redis.call('ZADD', KEYS[1], 'NX', ms, ARGV[i]) == 1 then
		absent[#absent + 1] = ARGV[i]
	elseif ARGV[1] == 'announce' then
		redis.call('ZADD', KEYS[1], ms, ARGV[i])
	end
end
return absent
`)

// dropScript takes origins out of the announced set that no edge has announced for long.
//
// KEYS[1] -> affiliate:origins
// --
// ARGV[1] -> how long is long, ms
// ARGV[2…] -> origins without a stream
//
// Returns the number of origins dropped.
//
// The age is judged here, so that one announced after the caller looked for its stream stays.
var dropScript = redis.NewScript(`#!lua flags=allow-oom
local t = redis.call('TIME')
local oldest = t[1] * 1000 + math.floor(t[2] / 1000) - tonumber(ARGV[1])
local dropped = 0
for i = 2, #ARGV do
	local score = redis.call('ZSCORE', KEYS[1], ARGV[i])
	if score and tonumber(score) < oldest then
		dropped = dropped + redis.call('ZREM', KEYS[1], ARGV[i])
	end
end
return dropped
`)

// appendScript answers where a stream stands, after appending to it if it ends where the edge expects.
//
// KEYS[1] -> affiliate:{origin}:events
// KEYS[2] -> affiliate:{origin}:cursor
// KEYS[3] -> affiliate:{origin}:parked
// KEYS[4] -> affiliate:{origin}:parked:<ms>, a fresh <ms> each time
// --
// ARGV[1] -> the last number that the edge expects, 0 for no stream
// ARGV[2] -> "append", or "reset": put the stream away and begin a new one with these entries
// ARGV[3] -> "live" for the origin that this process writes, "old" for an earlier one
// ARGV[4] -> <ms>
// ARGV[5] -> the entries, one MessagePack array behind the other: an entry's id, then its fields and values. "": only answer.
//
// Returns {appended 0 or 1, last, first, length, cursor, settled, end}; last and first are 0 where there is none, cursor
// and settled are as found and -1 where there is none. end tells whose record the last one is, for an edge that did not
// append it: the stream's last entry, or what publishScript kept of it, or false.
//
// Appending only where the stream ends as expected makes lost answers and late calls harmless: what is done twice fails
// its comparison. A reset of an old origin parks the stream instead of deleting it, since this disk may be an older copy
// and Redis the only place that has what came after. An existing <ms> is not overwritten; the edge asks again. A value
// of another type is a stranger's and goes.
var appendScript = redis.NewScript(`
local last, first, len, tail = '0', '0', 0, false
local kind = redis.call('TYPE', KEYS[1]).ok
if kind == 'stream' then
	local info = redis.call('XINFO', 'STREAM', KEYS[1])
	for i = 1, #info, 2 do
		local value = info[i + 1]
		if info[i] == 'last-generated-id' then last = string.match(value, '^%d+')
		elseif info[i] == 'length' then len = value
		elseif info[i] == 'first-entry' and value then first = string.match(value[1], '^%d+')
		elseif info[i] == 'last-entry' and value then tail = value end
	end
end
local appended = 0
if ARGV[5] ~= '' and last == ARGV[1] then
	local free = true
	if kind ~= 'stream' and kind ~= 'none' then
		redis.call('DEL', KEYS[1])
	elseif ARGV[2] == 'reset' and kind == 'stream' then
		if ARGV[3] == 'old' and len > 0 then
			free = redis.call('RENAMENX', KEYS[1], KEYS[4]) == 1
			if free then
				redis.call('PERSIST', KEYS[4])
				local index = redis.call('TYPE', KEYS[3]).ok
				if index ~= 'set' and index ~= 'none' then redis.call('DEL', KEYS[3]) end
				redis.call('SADD', KEYS[3], ARGV[4])
			end
		else
			redis.call('DEL', KEYS[1])
		end
		if free then len = 0 end
	end
	if free then
		local offset, entry = 0, nil
		while offset >= 0 do
			offset, entry = cmsgpack.unpack_one(ARGV[5], offset)
			redis.call('XADD', KEYS[1], unpack(entry))
			if len == 0 then first = string.match(entry[1], '^%d+') end
			len = len + 1
		end
		last = string.match(entry[1], '^%d+')
		redis.call('PERSIST', KEYS[1])
		appended = 1
	end
end
local at = {}
if redis.call('TYPE', KEYS[2]).ok == 'hash' then at = redis.call('HMGET', KEYS[2], 'cursor', 'settled', 'end') end
if appended == 1 then tail = false elseif len == 0 then tail = at[3] or false end
return {appended, last, first, len, at[1] or '-1', at[2] or '-1', tail}
`)

// publishScript copies a cursor of the ledger beside the stream and trims what it has passed.
//
// KEYS[1] -> affiliate:{origin}:events
// KEYS[2] -> affiliate:{origin}:cursor
// --
// ARGV[1] -> "commit" (the cursor only rises) or "pass" (the cursor is set, if it still is what the hub saw)
// ARGV[2] -> cursor
// ARGV[3] -> settled, which only rises
// ARGV[4] -> the first number to keep: cursor + 1
// ARGV[5] -> for a pass: the cursor that was seen before the ledger was read, "" for none
// ARGV[6] -> milliseconds until the key of the cursor and an empty stream expire
//
// Returns 1, or 0 for a pass that came too late.
//
// The rise keeps two hubs that publish out of order from lowering the cursor; the comparison lets a pass lower it, to
// follow a ledger that came back older. It is allowed out of memory, or a full Redis could never be drained. What no hub
// wrote (not a number below 10^12 in plain decimal) counts as absent. Of the last entry that goes the number and the
// record's id are kept, so that an edge can tell whether it was its own.
var publishScript = redis.NewScript(`#!lua flags=allow-oom
local function number(field)
	local value = redis.call('HGET', KEYS[2], field)
	if value and #value <= 12 and (value == '0' or string.match(value, '^[1-9]%d*$')) then return value end
	return ''
end
local kind = redis.call('TYPE', KEYS[2]).ok
if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', KEYS[2]) end
local cursor, settled = number('cursor'), number('settled')
if ARGV[1] == 'pass' then
	if cursor ~= ARGV[5] then return 0 end
	redis.call('HSET', KEYS[2], 'cursor', ARGV[2])
elseif cursor == '' or tonumber(cursor) < tonumber(ARGV[2]) then
	redis.call('HSET', KEYS[2], 'cursor', ARGV[2])
end
if settled == '' or tonumber(settled) < tonumber(ARGV[3]) then redis.call('HSET', KEYS[2], 'settled', ARGV[3]) end
redis.call('PEXPIRE', KEYS[2], ARGV[6])
if redis.call('TYPE', KEYS[1]).ok == 'stream' then
	local tail = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
	redis.call('XTRIM', KEYS[1], 'MINID', '=', ARGV[4] .. '-0')
	if redis.call('XLEN', KEYS[1]) == 0 then
		redis.call('PEXPIRE', KEYS[1], ARGV[6])
		for i = 1, tail and #tail[2] or 0, 2 do
			if tail[2][i] == 'id' then redis.call('HSET', KEYS[2], 'end', tail[1] .. ' ' .. tail[2][i + 1]) end
		end
	end
end
return 1
`)

// dropParkedScript trims a parked stream and forgets it once it is empty.
//
// KEYS[1] -> affiliate:{origin}:parked
// KEYS[2] -> affiliate:{origin}:parked:<ms>
// --
// ARGV[1] -> <ms>
// ARGV[2] -> the first number to keep: cursor + 1
//
// Returns 1 if the stream is gone.
var dropParkedScript = redis.NewScript(`#!lua flags=allow-oom
if redis.call('TYPE', KEYS[2]).ok == 'stream' then
	redis.call('XTRIM', KEYS[2], 'MINID', '=', ARGV[2] .. '-0')
	if redis.call('XLEN', KEYS[2]) > 0 then return 0 end
end
redis.call('DEL', KEYS[2])
redis.call('SREM', KEYS[1], ARGV[1])
return 1
`)
