/** Every key of ours begins with this and a colon, BullMQ's too: a Redis user may be limited to it. */
export const PREFIX = 'dogged';

/** How jobs of shared sources have ended, for machines that come to them later. It forgets nothing, as a ledger must. */
export const SETTLED = `${PREFIX}:settled`;

/**
 * What BullMQ has no call for, each all or nothing. Together with `BULK_SCRIPTS` they touch BullMQ's keys, which are no interface
 * of it: test/store/bullmq/layout.test.ts holds them against the one version that is installed.
 */
export const SCRIPTS = {
  /**
   * Gives jobs that were added their exact rank. BullMQ's own priority is a number of
   * 21 bits; the score of a job that waits may be any. KEYS: prioritized. ARGV: prefix, then of each id, rank, crashes, and how
   * its owner knows it when it claims it ('': as anybody does).
   */
  rank: {
    keys: 1,
    lua: `
      for i = 2, #ARGV, 4 do
        local job = ARGV[1] .. ARGV[i]
        if redis.call('EXISTS', job) == 1 then
          redis.call('ZADD', KEYS[1], 'XX', ARGV[i + 1], ARGV[i])
          if ARGV[i + 2] ~= '0' then redis.call('HSET', job, 'dogged:crashes', ARGV[i + 2]) end
          if ARGV[i + 3] ~= '' then redis.call('HSET', job, 'dogged:own', ARGV[i + 3]) end
        end
      end`,
  },
  /** A permit of a group for each of these jobs, while there are any. KEYS: permits. ARGV: limit, ids. */
  permit: {
    keys: 1,
    lua: `
      local granted = {}
      local held = redis.call('ZCARD', KEYS[1])
      local now = redis.call('TIME')[1]
      for i = 2, #ARGV do
        if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
          redis.call('ZADD', KEYS[1], now, ARGV[i])
          granted[#granted + 1] = ARGV[i]
        elseif held < tonumber(ARGV[1]) then
          redis.call('ZADD', KEYS[1], now, ARGV[i])
          held = held + 1
          granted[#granted + 1] = ARGV[i]
        end
      end
      return granted`,
  },
  /** Frees permits of jobs that are no more; a young one may be of a job that is on its way. KEYS: permits. ARGV: prefix. */
  leaks: {
    keys: 1,
    lua: `
      local freed = 0
      local old = redis.call('TIME')[1] - 10
      for _, id in ipairs(redis.call('ZRANGE', KEYS[1], '-inf', old, 'BYSCORE')) do
        if redis.call('EXISTS', ARGV[1] .. id) == 0 then freed = freed + redis.call('ZREM', KEYS[1], id) end
      end
      return freed`,
  },
  /**
   * One more owner of a job of a shared source. One that has ended is told so at once, and must not be sent. KEYS: settled,
   * owners, mail. ARGV: id. 0: it has ended.
   */
  join: {
    keys: 3,
    lua: `
      local ended = redis.call('HGET', KEYS[1], ARGV[1])
      if ended then
        redis.call('XADD', KEYS[3], '*', 'by', '', 'm', ended)
        return 0
      end
      redis.call('SADD', KEYS[2], KEYS[3])
      return 1`,
  },
  /**
   * Takes an attempt home: only the token that holds the lock may, and the job leaves Redis. That stands in `home`, until the
   * caller has written it down: asked again, also for its end, the answer is the same. KEYS: home, job, lock, owners, permits.
   * ARGV: prefix, id, token.
   */
  home: {
    keys: 5,
    lua: `
      local prefix, id, token = ARGV[1], ARGV[2], ARGV[3]
      if redis.call('HGET', KEYS[1], id) == token then return 1 end
      if redis.call('GET', KEYS[3]) ~= token then return 0 end
      redis.call('DEL', KEYS[2], KEYS[3], KEYS[4])
      redis.call('LREM', prefix .. 'active', -1, id)
      redis.call('SREM', prefix .. 'stalled', id)
      redis.call('ZREM', KEYS[5], id)
      redis.call('HSET', KEYS[1], id, token)
      redis.call('EXPIRE', KEYS[1], 86400)
      return 1`,
  },
  /** In how many of these queues a job could be claimed. ARGV: prefixes. */
  claimable: {
    keys: 0,
    lua: `
      local found = 0
      for _, prefix in ipairs(ARGV) do
        local waits = redis.call('LLEN', prefix .. 'wait') > 0 or redis.call('ZCARD', prefix .. 'prioritized') > 0
        if waits then
          local meta = redis.call('HMGET', prefix .. 'meta', 'paused', 'concurrency')
          local isFull = meta[2] and redis.call('LLEN', prefix .. 'active') >= tonumber(meta[2])
          if not meta[1] and not isFull then found = found + 1 end
        end
      end
      return found`,
  },
  /**
   * Takes a job back that nobody has claimed; others who own it too keep it. KEYS: job, prioritized, wait, permits, owners, mail.
   * ARGV: id. 1: it waited, and is ours no more.
   */
  recall: {
    keys: 6,
    lua: `
      local waits = redis.call('ZSCORE', KEYS[2], ARGV[1]) or redis.call('LPOS', KEYS[3], ARGV[1])
      if not waits then return 0 end
      if redis.call('SISMEMBER', KEYS[5], KEYS[6]) == 1 and redis.call('SCARD', KEYS[5]) > 1 then
        return redis.call('SREM', KEYS[5], KEYS[6])
      end
      redis.call('ZREM', KEYS[2], ARGV[1])
      redis.call('LREM', KEYS[3], 0, ARGV[1])
      redis.call('DEL', KEYS[1], KEYS[5])
      redis.call('ZREM', KEYS[4], ARGV[1])
      return 1`,
  },
  /**
   * Who may speak for a state folder: nobody but one worker, until it has been silent for so long. KEYS: its key. ARGV: what is to stand
   * there; for how long; names that give way. Returns '', or what stands there of another.
   */
  speak: {
    keys: 1,
    lua: `
      local holder = redis.call('GET', KEYS[1]) or ''
      local name = string.match(holder, '^%S*')
      local mayTake = name == ''
      for n = 3, #ARGV do mayTake = mayTake or name == ARGV[n] end
      if not mayTake then return holder end
      -- A Redis that is full lets a script write on that has begun with a removal.
      redis.call('DEL', KEYS[1])
      redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
      return ''`,
  },
  /** Another may speak at once. KEYS: its key. ARGV: name of the worker that leaves. */
  fall_silent: {
    keys: 1,
    lua: `if string.match(redis.call('GET', KEYS[1]) or '', '^%S*') == ARGV[1] then redis.call('DEL', KEYS[1]) end`,
  },
  /** Asks whoever runs it to stop. KEYS: job. */
  cancel: {
    keys: 1,
    lua: `if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'dogged:cancel', '1') end`,
  },
} as const;

export type ScriptName = keyof typeof SCRIPTS;
