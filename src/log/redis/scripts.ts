// What Redis runs, each in one step. They are short of calls and of numbers made to text, which is what takes time there.

/** Stands for `Infinity`, which not every parser of numbers knows. */
export const ENDLESS = 9e15

/** So many doorbells at least are kept. Whoever gets fewer at once has missed none. */
export const DOORBELLS = 1_000

/** Milliseconds for which a writer's last batch is known when it comes again. */
export const KNOWN = 3_600_000

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
 *   Of the writer that has appended last this is in the state, behind its name.
 */
const begin = `
local call, stream, meta, idle = redis.call, KEYS[1], KEYS[2], tonumber(ARGV[2])
local state = call('HGET', meta, 'state')
local epoch, run, last, first, since, base, there, total, age, touched, writer, batch, start, came
if state then
  epoch, run, last, first, since, base, there, total, age, touched, writer, batch, start, came = cmsgpack.unpack(state)
else
  run, last, first, since, base, there, total, age, touched = '', 0, 1, 0, 0, 1, 0, ${ENDLESS}, 0
  call('DEL', stream)
end
`

const save = `
local due = idle and now - touched > idle / 8
if due then touched = now end
call('HSET', meta, 'state', cmsgpack.pack(epoch, run, last, first, since, base, there, total, age, touched, writer, batch, start, came))
if due then
  call('PEXPIRE', stream, idle)
  call('PEXPIRE', meta, idle)
end
`

/** One command for several messages. */
const clear = (least: string | number): string => `
if first - there >= ${least} then
  call('XTRIM', stream, 'MINID', string.format('%.0f', first))
  there = first
end
`

/** Something else may have taken some, and so what is there decides. */
const drop = (limit: string | number): string => `
if first <= last and (since + age <= now or (total - base > ${limit} and first < last)) then
  local limit = ${limit}
  local function sizeOf(fields, place)
    local field = fields[place]
    if place == 1 then field = field:match('^%d*(.*)$') end
    return #field - 1 + #fields[place + 1]
  end
  local function drop(entry)
    local seq, time = entry[1]:match('(%d+)-(%d+)')
    local fields = entry[2]
    seq = tonumber(seq) - #fields / 2
    local before = tonumber(fields[1]:match('^%d+'))
    for place = 1, #fields, 2 do before = before - sizeOf(fields, place) end
    for place = 1, #fields, 2 do
      seq = seq + 1
      if seq >= first then
        first, since, base = seq, tonumber(time), before
        if since + age > now and (seq == last or total - base <= limit) then return true end
        first = seq + 1
      end
      before = before + sizeOf(fields, place)
    end
  end
  local done
  while not done and first <= last and (since + age <= now or (total - base > limit and first < last)) do
    local oldest = call('XRANGE', stream, string.format('%.0f', first), '+', 'COUNT', 20)
    if #oldest == 0 then first = last + 1 end
    for _, entry in ipairs(oldest) do
      done = drop(entry)
      if done then break end
    end
  end
end
`

/**
 * KEYS: stream, hash, doorbells.
 * ARGV: now, idle, run, writer, batch, messages, bytes, age, channel; then field and data of each message. An epoch that
 * begins is named after the writer and the batch.
 *
 * Answers with the epoch and the first number; the number is 0 for a batch before the writer's last.
 */
export const append = `${begin}
local here, who, which, isNew = ARGV[3], ARGV[4], tonumber(ARGV[5]), false
if writer ~= who then
  if writer then call('HSET', meta, writer, cmsgpack.pack(batch, start, came)) end
  local known = call('HGET', meta, who)
  writer, batch, start, came, isNew = who, nil, nil, nil, not known
  if known then batch, start, came = cmsgpack.unpack(known) end
end
if batch and batch >= which then return { epoch, batch == which and start or 0 } end

if not epoch then
  epoch = who:sub(3) .. ARGV[5]
elseif run ~= here and run ~= '' and here ~= '' and last > 0 then
  local past = (call('HGET', meta, 'past') or ' ') .. epoch .. ':' .. string.format('%.0f', last) .. ' '
  if #past > 1000 then past = past:sub(-1000):match(' .*') end
  call('HSET', meta, 'past', past)
  epoch = who:sub(3) .. ARGV[5]
end
if here ~= '' then run = here end

local count = (#ARGV - 9) / 2
local size = -count
for place = 10, #ARGV do size = size + #ARGV[place] end
batch, start = which, last + 1
last, total, age = last + count, total + size, tonumber(ARGV[8])
local seq = string.format('%.0f', last)

-- its id is the time, too
local bell
if size > ${IN_DOORBELL} then
  bell = call('XADD', KEYS[3], 'MAXLEN', '~', ${DOORBELLS}, '*', ARGV[9], epoch, seq, '')
else
  bell = call('XADD', KEYS[3], 'MAXLEN', '~', ${DOORBELLS}, '*', ARGV[9], epoch, seq, '', unpack(ARGV, 10))
end
local time = ARGV[1] == '' and bell:match('^%d+') or ARGV[1]
local now = tonumber(time)
came = now

local id, field = seq .. '-' .. time, string.format('%.0f', total) .. ARGV[10]
local added = redis.pcall('XADD', stream, 'NOMKSTREAM', id, field, unpack(ARGV, 11))
if not added then
  -- a stream that begins is kept for ever until Redis is told for how long
  touched = 0
  added = redis.pcall('XADD', stream, id, field, unpack(ARGV, 11))
end
if type(added) == 'table' then
  -- nobody may hear of what is not kept
  redis.pcall('XDEL', KEYS[3], bell)
  return added
end
if first == start then since, base = now, total - size end
first = math.max(first, last - tonumber(ARGV[6]) + 1)
${drop('tonumber(ARGV[7])')}
-- those that are large go at once
${clear(`(size > ${IN_DOORBELL} and 1 or 16)`)}
if isNew and call('HLEN', meta) > 80 then
  local all = call('HGETALL', meta)
  for place = 1, #all, 2 do
    if all[place]:sub(1, 2) == 'w:' then
      local _, _, came = cmsgpack.unpack(all[place + 1])
      if came + ${KNOWN} < now then call('HDEL', meta, all[place]) end
    end
  end
end
${save}
return { epoch, start }
`

/**
 * KEYS: stream, hash. ARGV: now, idle, epoch if there is none, after which epoch, after which number or 'oldest' or 'now',
 * bytes.
 *
 * Answers with the epoch, the last number, the number from which it has read, the gap, the age, and the entries; the first
 * of them may begin before that number, and the last be more than was asked for.
 */
export const read = `${begin}
local fresh, whose, after, bytes = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local now = tonumber(ARGV[1])
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
if not epoch then
  epoch = fresh
  ${save}
elseif (first <= last and since + age <= now) or (idle and now - touched > idle / 8) then
  ${drop(ENDLESS)}
  ${clear(1)}
  ${save}
end

local from, gap = first, ''
if after == 'now' then
  from = last + 1
elseif after ~= 'oldest' then
  local seq, good = tonumber(after), last
  if whose ~= epoch then
    local past = call('HGET', meta, 'past') or ''
    local _, found = past:find(' ' .. whose .. ':', 1, true)
    good = found and tonumber(past:match('^%d+', found + 1))
  end
  if not good then gap = 'foreign'
  elseif seq > good then gap = 'future'
  elseif seq + 1 < first then gap = 'trimmed'
  else from = seq + 1
  end
end

local function text(number) return string.format('%.0f', number) end
local entries, place, enough = {}, from, nil
while place <= last do
  local some = call('XRANGE', stream, text(place), '+', 'COUNT', bytes == ${ENDLESS} and text(last) or 10)
  if #some == 0 then break end
  for _, entry in ipairs(some) do entries[#entries + 1] = entry end
  place = tonumber(some[#some][1]:match('%d+')) + 1
  enough = enough or tonumber(entries[1][2][1]:match('^%d+')) + bytes
  if tonumber(some[#some][2][1]:match('^%d+')) >= enough then break end
end
return { epoch, last, from, gap, age, entries }
`
