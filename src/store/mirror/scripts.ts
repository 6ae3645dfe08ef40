/*
 * All that may fail is looked at before the first write, and the first write is one that a full Redis refuses: then it writes
 * nothing at all. A script that has begun to write is not refused any more.
 *
 * KEYS: job, gone, mark, and the sets of the six states. ARGV: id, revision, and for `put` the number of its state, then its fields.
 * Answers: {1, revision} written; {0, revision} it was there already; {-1, the revision that is there} a newer or another
 * one is there; {-2, 0} the mark is gone.
 */

const CHECK = `
  if redis.call('EXISTS', KEYS[3]) == 0 then return { -2, 0 } end
  local id = ARGV[1]
  local revision = tonumber(ARGV[2])
  local there = tonumber(redis.call('HGET', KEYS[1], 'revision') or -1)
  local gone = tonumber(redis.call('ZSCORE', KEYS[2], id) or -1)
  for i = 4, #KEYS do
    local kind = redis.call('TYPE', KEYS[i]).ok
    if kind ~= 'set' and kind ~= 'none' then return redis.error_reply('WRONGTYPE ' .. KEYS[i] .. ' is a ' .. kind) end
  end
  if redis.acl_check_cmd then
    local may = redis.acl_check_cmd('HSET', KEYS[1], 'x', 'x') and redis.acl_check_cmd('DEL', KEYS[1])
      and redis.acl_check_cmd('SADD', KEYS[4], 'x') and redis.acl_check_cmd('SREM', KEYS[4], 'x')
      and redis.acl_check_cmd('ZADD', KEYS[2], 'x', 'x') and redis.acl_check_cmd('ZREM', KEYS[2], 'x')
    if not may then return redis.error_reply('NOPERM this user lacks one of HSET, DEL, SADD, SREM, ZADD and ZREM') end
  end`;

export const MIRROR_SCRIPTS = {
  put: `${CHECK}
  local newest = math.max(there, gone)
  if newest > revision then return { -1, newest } end
  if newest == revision then
    if there == revision and redis.call('HGET', KEYS[1], 'digest') == ARGV[7] then return { 0, revision } end
    return { -1, newest }
  end
  redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'state', ARGV[4], 'record', ARGV[5], 'payload', ARGV[6], 'digest', ARGV[7])
  local own = 3 + tonumber(ARGV[3])
  redis.call('SADD', KEYS[own], id)
  for i = 4, #KEYS do if i ~= own then redis.call('SREM', KEYS[i], id) end end
  redis.call('ZREM', KEYS[2], id)
  return { 1, revision }`,

  /** Its place among those that are gone is kept: a write of an earlier revision that comes late must not bring it back. */
  drop: `${CHECK}
  local newest = math.max(there, gone)
  if newest > revision then return { -1, newest } end
  if newest == revision then return { gone == revision and 0 or -1, revision } end
  redis.call('DEL', KEYS[1])
  for i = 4, #KEYS do redis.call('SREM', KEYS[i], id) end
  redis.call('ZADD', KEYS[2], ARGV[2], id)
  return { 1, revision }`,

  /** Takes a job away that no side has any more, if it is still as it was seen. ARGV: id, the revision that was seen. */
  purge: `${CHECK}
  if there ~= revision then return { -1, there } end
  redis.call('DEL', KEYS[1])
  for i = 4, #KEYS do redis.call('SREM', KEYS[i], id) end
  return { 1, revision }`,

  /** One job at one moment: its fields, then for each state whether it stands in that set. KEYS: job, sets. ARGV: id. */
  look: `
  local answer = redis.call('HMGET', KEYS[1], 'revision', 'state', 'record', 'payload', 'digest')
  for i = 2, #KEYS do answer[#answer + 1] = tostring(redis.call('SISMEMBER', KEYS[i], ARGV[1])) end
  return answer`,
} as const;
