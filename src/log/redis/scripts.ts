// What Redis runs, each in one step. They are short of calls and of numbers made to text, which is what takes time there.

/** Stands for `Infinity`, which not every parser of numbers knows. */
export const ENDLESS = 9e15

/** So many doorbells at least are kept. Whoever gets fewer at once has missed none. */
export const DOORBELLS = 1_000

/** Batches of so many bytes at most are in their doorbell; larger ones are read by those who follow. */
const IN_DOORBELL = 4_096

/**
 * Of each channel there are two keys: the stream with its messages, and a hash of what else there is to know.
 *
 * - An entry holds the messages of one batch. Its id is `<number of the last>-<milliseconds>`. A message is a field and its
 *   value: `-` or `+<event>`, and the data. Before the first field stand the bytes of all messages up to the end of the entry.
 * - `state`, packed: the epoch; the server that has appended last; the last number given out; the first that is kept, since
 *   when it is there at the earliest, and the bytes of all before it at the least; the first that is in the stream, which may
 *   be a few before; the bytes of all; the age; and when Redis was told last for how long to keep the keys.
 * - `past`: where another server goes on from the data, be it started again or a replica that was promoted, the end may be
 *   lost. So a new epoch begins there, and this says up to which number earlier ones hold.
 * - `w:<writer>`, packed: that one's last batch, by which it is known when it comes again; where it begins, and when it came.
 */
const common = `
local stream, meta, idle = KEYS[1], KEYS[2], tonumber(ARGV[2])
local function text(number) return string.format('%.0f', number) end

local epoch, run, last, first, since, base, there, total, age, touched

local function load(state)
  if state then
    epoch, run, last, first, since, base, there, total, age, touched = cmsgpack.unpack(state)
  else
    run, last, first, since, base, there, total, age, touched = '', 0, 1, 0, 0, 1, 0, ${ENDLESS}, 0
    redis.call('DEL', stream)
  end
end

local function save(now, ...)
  local due = idle and now - touched > idle / 8
  if due then touched = now end
  redis.call('HSET', meta, 'state', cmsgpack.pack(epoch, run, last, first, since, base, there, total, age, touched), ...)
  if due then
    redis.call('PEXPIRE', stream, idle)
    redis.call('PEXPIRE', meta, idle)
  end
end

local function sizeOf(fields, place)
  local field = fields[place]
  if place == 1 then field = field:match('^%d*(.*)$') end
  return #field - 1 + #fields[place + 1]
end

-- One command for several messages.
local function clear(least)
  if first - there < least then return end
  redis.call('XTRIM', stream, 'MINID', text(first))
  there = first
end

-- Something else may have taken some, and so what is there decides.
local function drop(now, limit)
  while first <= last and (since + age <= now or (total - base > limit and first < last)) do
    local oldest = redis.call('XRANGE', stream, text(first), '+', 'COUNT', 20)
    if #oldest == 0 then first = last + 1 end
    for _, entry in ipairs(oldest) do
      local seq, time = entry[1]:match('(%d+)-(%d+)')
      local fields = entry[2]
      seq = tonumber(seq) - #fields / 2
      local before = tonumber(fields[1]:match('^%d+'))
      for place = 1, #fields, 2 do before = before - sizeOf(fields, place) end
      for place = 1, #fields, 2 do
        seq = seq + 1
        if seq >= first then
          first, since, base = seq, tonumber(time), before
          if since + age > now and (seq == last or total - base <= limit) then return end
          first = seq + 1
        end
        before = before + sizeOf(fields, place)
      end
    end
  end
end
`

/**
 * KEYS: stream, hash, doorbells.
 * ARGV: now, idle, run, epoch if there is none, writer, batch, messages, bytes, age, channel, how long a batch is known;
 * then field and data of each message.
 *
 * Answers with the epoch and the first number; the number is 0 for a batch before the writer's last.
 */
export const append = `${common}
local here, fresh, writer, batch = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local known = redis.call('HMGET', meta, 'state', writer)
load(known[1])

if known[2] then
  local done, start = cmsgpack.unpack(known[2])
  if done == batch then return { epoch, start } end
  if done > batch then return { epoch, 0 } end
end

if not epoch then
  epoch = fresh
elseif run ~= here and run ~= '' and here ~= '' and last > 0 then
  local past = (redis.call('HGET', meta, 'past') or ' ') .. epoch .. ':' .. text(last) .. ' '
  if #past > 1000 then past = past:sub(-1000):match(' .*') end
  redis.call('HSET', meta, 'past', past)
  epoch = fresh
end
if here ~= '' then run = here end

local fields = { unpack(ARGV, 12) }
local start, size = last + 1, -#fields / 2
for place = 1, #fields do size = size + #fields[place] end
last, total, age = last + #fields / 2, total + size, tonumber(ARGV[9])
local seq = text(last)

-- its id is the time, too
local bell
if size > ${IN_DOORBELL} then
  bell = redis.call('XADD', KEYS[3], 'MAXLEN', '~', ${DOORBELLS}, '*', ARGV[10], epoch, seq, '')
else
  bell = redis.call('XADD', KEYS[3], 'MAXLEN', '~', ${DOORBELLS}, '*', ARGV[10], epoch, seq, '', unpack(fields))
end
local time = ARGV[1] == '' and bell:match('^%d+') or ARGV[1]
local now = tonumber(time)

fields[1] = text(total) .. fields[1]
redis.call('XADD', stream, seq .. '-' .. time, unpack(fields))
if first == start then since, base = now, total - size end
first = math.max(first, last - tonumber(ARGV[7]) + 1)
drop(now, tonumber(ARGV[8]))
-- those that are large go at once
clear(size > ${IN_DOORBELL} and 1 or 16)

if not known[2] and redis.call('HLEN', meta) > 80 then
  local all = redis.call('HGETALL', meta)
  for place = 1, #all, 2 do
    if all[place]:sub(1, 2) == 'w:' then
      local _, _, came = cmsgpack.unpack(all[place + 1])
      if came + tonumber(ARGV[11]) < now then redis.call('HDEL', meta, all[place]) end
    end
  end
end
save(now, writer, cmsgpack.pack(batch, start, now))
return { epoch, start }
`

/**
 * KEYS: stream, hash. ARGV: now, idle, epoch if there is none, after which epoch, after which number or 'oldest' or 'now',
 * bytes.
 *
 * Answers with the epoch, the last number, the number from which it has read, the gap, the age, and the entries; the first
 * of them may begin before that number, and the last be more than was asked for.
 */
export const read = `${common}
local fresh, whose, after, bytes = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
load(redis.call('HGET', meta, 'state'))
if not epoch then
  epoch = fresh
  save(now)
elseif (first <= last and since + age <= now) or (idle and now - touched > idle / 8) then
  drop(now, ${ENDLESS})
  clear(1)
  save(now)
end

local from, gap = first, ''
if after == 'now' then
  from = last + 1
elseif after ~= 'oldest' then
  local seq, good = tonumber(after), last
  if whose ~= epoch then
    local past = redis.call('HGET', meta, 'past') or ''
    local _, found = past:find(' ' .. whose .. ':', 1, true)
    good = found and tonumber(past:match('^%d+', found + 1))
  end
  if not good then gap = 'foreign'
  elseif seq > good then gap = 'future'
  elseif seq + 1 < first then gap = 'trimmed'
  else from = seq + 1
  end
end

local entries, place, enough = {}, from, nil
while place <= last do
  local some = redis.call('XRANGE', stream, text(place), '+', 'COUNT', bytes == ${ENDLESS} and text(last) or 10)
  if #some == 0 then break end
  for _, entry in ipairs(some) do entries[#entries + 1] = entry end
  place = tonumber(some[#some][1]:match('%d+')) + 1
  enough = enough or tonumber(entries[1][2][1]:match('^%d+')) + bytes
  if tonumber(some[#some][2][1]:match('^%d+')) >= enough then break end
end
return { epoch, last, from, gap, age, entries }
`
