// What Redis runs, each in one step.

/** Stands for `Infinity`, which not every parser of numbers knows. */
export const ENDLESS = 9e15

/**
 * Of each channel there are two keys: the stream with its messages, and a hash of what else there is to know.
 *
 * - An entry's id is `<number of the message>-<milliseconds>`; its one field is `-` or `+<event>`, the value the data.
 * - `epoch`; `last` number given out; `first` number kept, and `since` when; `bytes` kept; `age`.
 * - `run`: the server that has appended last. Where another one goes on from its data, be it started again or a replica that
 *   was promoted, the end may be lost: so a new epoch begins there, and `past` says up to which number earlier ones hold.
 * - `w:<writer>`: that one's last batch, by which it is known when it comes again.
 */
const common = `
local stream, meta = KEYS[1], KEYS[2]
local function text(number) return string.format('%.0f', number) end

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function sizeOf(entry) return #entry[2][1] - 1 + #entry[2][2] end

-- something else has taken from the stream
local function recount(state)
  state.first, state.bytes = state.last + 1, 0
  for place, entry in ipairs(redis.call('XRANGE', stream, '-', '+')) do
    local seq, since = entry[1]:match('(%d+)-(%d+)')
    if place == 1 then state.first, state.since = tonumber(seq), tonumber(since) end
    state.last = math.max(state.last, tonumber(seq))
    state.bytes = state.bytes + sizeOf(entry)
  end
end

local function known(...)
  local values = redis.call('HMGET', meta, 'epoch', 'run', 'last', 'first', 'since', 'bytes', 'age', 'past', ...)
  local state = { epoch = values[1], run = values[2] or '', past = values[8] or ' ', done = values[9] }
  if not state.epoch then
    state.last, state.first, state.since, state.bytes, state.age = 0, 1, 0, 0, ${ENDLESS}
    redis.call('DEL', stream)
    return state
  end
  state.last, state.first, state.since = tonumber(values[3]), tonumber(values[4]), tonumber(values[5])
  state.bytes, state.age = tonumber(values[6]), tonumber(values[7])
  if redis.call('XLEN', stream) ~= state.last - state.first + 1 then recount(state) end
  return state
end

local function trim(state, most, bytes)
  local over = function() return state.first < state.last and (state.last - state.first + 1 > most or state.bytes > bytes) end
  local aged = function() return state.since + state.age <= now end
  while state.first <= state.last and (over() or aged()) do
    local count = math.min(math.max(state.last - state.first + 1 - most, 1), 99) + 1
    local oldest = redis.call('XRANGE', stream, '-', '+', 'COUNT', count)
    if #oldest == 0 then state.first = state.last + 1 end
    for _, entry in ipairs(oldest) do
      local seq, since = entry[1]:match('(%d+)-(%d+)')
      state.first, state.since = tonumber(seq), tonumber(since)
      if not over() and not aged() then break end
      state.bytes = state.bytes - sizeOf(entry)
      state.first = state.first + 1
    end
    redis.call('XTRIM', stream, 'MINID', text(state.first))
  end
end

local function keep(state, ...)
  redis.call('HSET', meta, 'epoch', state.epoch, 'last', text(state.last), 'first', text(state.first),
    'since', text(state.since), 'bytes', text(state.bytes), 'age', text(state.age), ...)
end

local function touch(idle)
  if idle == '' then return end
  redis.call('PEXPIRE', stream, idle)
  redis.call('PEXPIRE', meta, idle)
end
`

/**
 * KEYS: stream, hash, doorbells, count of doorbells.
 * ARGV: now, idle, run, epoch if there is none, writer, batch, messages, bytes, age, channel, how long a batch is known;
 * then field and data of each message.
 *
 * Answers with the epoch and the first number; the number is 0 for a batch before the writer's last.
 */
export const append = `${common}
local idle, run, fresh, writer, batch, channel = ARGV[2], ARGV[3], ARGV[4], 'w:' .. ARGV[5], tonumber(ARGV[6]), ARGV[10]
local state = known(writer)

if state.done then
  local done, start = state.done:match('(%d+) (%d+)')
  if tonumber(done) == batch then return { state.epoch, tonumber(start) } end
  if tonumber(done) > batch then return { state.epoch, 0 } end
elseif redis.call('HLEN', meta) > 80 then
  local all = redis.call('HGETALL', meta)
  for place = 1, #all, 2 do
    local since = all[place]:sub(1, 2) == 'w:' and all[place + 1]:match('(%d+)$')
    if since and tonumber(since) + tonumber(ARGV[11]) < now then redis.call('HDEL', meta, all[place]) end
  end
end

if not state.epoch then
  state.epoch = fresh
elseif state.run ~= run and state.run ~= '' and run ~= '' and state.last > 0 then
  state.past = state.past .. state.epoch .. ':' .. text(state.last) .. ' '
  if #state.past > 1000 then state.past = state.past:sub(-1000):match(' .*') end
  state.epoch = fresh
end

local start = state.last + 1
if state.first == start then state.since, state.bytes = now, 0 end
for place = 12, #ARGV, 2 do
  state.last = state.last + 1
  redis.call('XADD', stream, text(state.last) .. '-' .. text(now), ARGV[place], ARGV[place + 1])
  state.bytes = state.bytes + #ARGV[place] - 1 + #ARGV[place + 1]
end
state.age = tonumber(ARGV[9])
trim(state, tonumber(ARGV[7]), tonumber(ARGV[8]))
keep(state, 'run', run, 'past', state.past, writer, ARGV[6] .. ' ' .. text(start) .. ' ' .. text(now))
touch(idle)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 1000, '*', 'n', redis.call('INCR', KEYS[4]), 'channel', channel,
  'epoch', state.epoch, 'last', text(state.last))
return { state.epoch, start }
`

/**
 * KEYS: stream, hash. ARGV: now, idle, epoch if there is none, after which epoch, after which number or 'oldest' or 'now',
 * bytes.
 *
 * Answers with the epoch, the last number, the number from which it has read, the gap, the age, and the entries.
 */
export const read = `${common}
local idle, fresh, epoch, after, bytes = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local state = known()
if not state.epoch then
  state.epoch = fresh
  keep(state)
elseif state.first <= state.last and state.since + state.age <= now then
  trim(state, ${ENDLESS}, ${ENDLESS})
  keep(state)
end
touch(idle)

local from, gap = state.first, ''
if after == 'now' then
  from = state.last + 1
elseif after ~= 'oldest' then
  local seq, last = tonumber(after), state.last
  if epoch ~= state.epoch then
    local _, found = state.past:find(' ' .. epoch .. ':', 1, true)
    last = found and tonumber(state.past:match('^%d+', found + 1))
  end
  if not last then gap = 'foreign'
  elseif seq > last then gap = 'future'
  elseif seq + 1 < state.first then gap = 'trimmed'
  else from = seq + 1
  end
end

local entries, size = {}, 0
local place, count = from, bytes == ${ENDLESS} and math.max(state.last, 1) or 32
while place <= state.last and size <= bytes do
  local some = redis.call('XRANGE', stream, text(place), '+', 'COUNT', text(count))
  for _, entry in ipairs(some) do
    size = size + sizeOf(entry)
    if size > bytes and #entries > 0 then break end
    entries[#entries + 1] = entry
  end
  if #some < count then break end
  place = tonumber(some[#some][1]:match('%d+')) + 1
end
return { state.epoch, state.last, from, gap, state.age, entries }
`

/** KEYS: doorbells, count of doorbells. Answers with the id and the count of the last one. */
export const doorbell = `
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
return { last and last[1] or '0-0', tonumber(redis.call('GET', KEYS[2]) or 0) }
`
