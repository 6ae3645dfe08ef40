/**
 * Many claims, ends and renewals in one call each: BullMQ has none for it, and a call of its own for each job costs more than all
 * the rest. They move a job as BullMQ does, within its keys: out of `wait` or `prioritized` into `active` with a lock, and out of
 * `active`, `stalled` and Redis. Its stream of events hears nothing of that. Claims and ends begin with a removal, for a Redis that is
 * full lets a script write on that has begun so.
 */
export const BULK_SCRIPTS = {
  /**
   * Claims what stands first, best rank first, within the free slots and the rooms of tasks; one job only for a breaker that
   * is tried. A job that must run alone holds up those behind it until nothing else runs at the caller's.
   * ARGV: what is asked, as JSON (`AskedOfRedis`). Returns `ClaimedInRedis`.
   */
  claim: {
    keys: 0,
    lua: `
      local asked = cjson.decode(ARGV[1])
      local rooms, trials = asked.rooms, asked.trials
      local line = {}
      for _, queue in ipairs(asked.queues) do
        local prefix = queue.prefix
        local meta = redis.call('HMGET', prefix .. 'meta', 'paused', 'concurrency')
        local most = math.min(asked.free, rooms[queue.task] or 0)
        -- Also where there is no limit: what is no list has to be found out before anything is taken from the line.
        local active = redis.call('LLEN', prefix .. 'active')
        if meta[1] then most = 0
        elseif meta[2] then most = math.min(most, tonumber(meta[2]) - active) end
        if most > 0 then
          local first = redis.call('LRANGE', prefix .. 'wait', -most, -1)
          for n = #first, 1, -1 do line[#line + 1] = { id = first[n], rank = -math.huge, queue = queue, nth = #line } end
          if #first < most then
            local rest = redis.call('ZRANGE', prefix .. 'prioritized', 0, most - #first - 1, 'WITHSCORES')
            for n = 1, #rest, 2 do
              line[#line + 1] = { id = rest[n], rank = tonumber(rest[n + 1]), queue = queue, nth = #line }
            end
          end
        end
      end
      if #asked.queues > 1 then
        table.sort(line, function(a, b) return a.rank < b.rank or (a.rank == b.rank and a.nth < b.nth) end)
      end

      local anySettled = redis.call('EXISTS', asked.settled) == 1
      local taken, claims, own, alone = {}, {}, {}, ''
      for _, job in ipairs(line) do
        if #taken == asked.free or alone ~= '' then break end
        local queue, id = job.queue, job.id
        local task, key = queue.task, queue.prefix .. id
        if rooms[task] > 0 then
          local found = redis.call('HMGET', key, 'stc', 'defa', 'dogged:crashes', 'dogged:own')
          local stalls, failure, mark = found[1] or '0', found[2] or '', found[4] or ''
          local crashes = (tonumber(stalls) or 0) + (tonumber(found[3] or 0) or 0)
          if crashes >= asked.aloneFrom then alone = id end
          if alone == '' or (#taken == 0 and not asked.othersRun) then
            local number = asked.number + #taken
            job.token = asked.token .. number
            taken[#taken + 1] = job
            if stalls == '0' and failure == '' and string.sub(mark, 1, #asked.own) == asked.own then
              own[#own + 1] = { queue.index, number, id, tonumber(string.sub(mark, #asked.own + 1)), crashes }
            else
              local data = redis.call('HGET', key, 'data') or ''
              local hasEnded = anySettled and redis.call('HEXISTS', asked.settled, id) or 0
              claims[#claims + 1] = { queue.index, number, id, data, stalls, failure, hasEnded }
            end
            rooms[task] = rooms[task] - 1
            local trial = trials[task]
            if trial then
              for other, its in pairs(trials) do if its == trial then rooms[other] = 0 end end
            end
          end
        end
      end

      local ranked, active = {}, {}
      for _, job in ipairs(taken) do
        local prefix = job.queue.prefix
        if job.rank == -math.huge then redis.call('LREM', prefix .. 'wait', -1, job.id)
        else
          ranked[prefix] = ranked[prefix] or {}
          table.insert(ranked[prefix], job.id)
        end
        active[prefix] = active[prefix] or {}
        table.insert(active[prefix], job.id)
      end
      for prefix, ids in pairs(ranked) do redis.call('ZREM', prefix .. 'prioritized', unpack(ids)) end
      for prefix, ids in pairs(active) do redis.call('LPUSH', prefix .. 'active', unpack(ids)) end
      for _, job in ipairs(taken) do
        redis.call('SET', job.queue.prefix .. job.id .. ':lock', job.token, 'PX', asked.lockMs)
      end
      return { alone, claims, own }`,
  },
  /**
   * The one moment at which attempts end: only the token that holds the lock may, the job leaves Redis, and it is told to its
   * owner, or to all its owners, in one letter to each. What was told stands in `told` until the caller has heard of it, so that
   * to one who asks again the answer is the same; so it is to one who had taken the attempt home. The end of a job of the
   * caller's own stands there with its message, in place of a letter to itself. ARGV: the question, as JSON (`EndsInRedis`), then
   * the message of each end (none: nobody is told). Returns 1 for each that counts.
   */
  end: {
    keys: 0,
    lua: `
      local asked = cjson.decode(ARGV[1])
      local told, isSure, home = asked.told, asked.isSure, asked.home
      local isKept = told ~= ''
      if isKept then
        if isSure then redis.call('DEL', told) else redis.call('HDEL', told, '') end
      end

      local locks = {}
      for n, one in ipairs(asked.ends) do locks[n] = asked.queues[one[1] + 1] .. one[2] .. ':lock' end
      local held = redis.call('MGET', unpack(locks))
      local anyHome = redis.call('EXISTS', home) == 1
      local answers, letters, gone, keep, stalled = {}, {}, {}, {}, {}
      for n, one in ipairs(asked.ends) do
        local prefix, id, token, mail, permits, later = asked.queues[one[1] + 1], one[2], one[3], one[4], one[5], one[6]
        local message = ARGV[n + 1]
        local known = isKept and not isSure and redis.call('HGET', told, id) or ''
        local answer = 0
        if known == token or string.sub(known, 1, #token + 1) == token .. ' ' then
          answer = 1
        elseif anyHome and redis.call('HGET', home, id) == token then
          answer = 1
        elseif held[n] == token then
          answer = 1
          redis.call('LREM', prefix .. 'active', -1, id)
          gone[#gone + 1] = prefix .. id
          gone[#gone + 1] = locks[n]
          stalled[prefix] = stalled[prefix] or {}
          table.insert(stalled[prefix], id)
          if permits ~= '' then redis.call('ZREM', permits, id) end
          if message ~= '' then
            if isKept then
              keep[#keep + 1] = id
              keep[#keep + 1] = mail == '' and token .. ' ' .. message or token
            end
            local owners = later ~= '' and redis.call('SMEMBERS', prefix .. id .. ':owners') or {}
            if #owners > 0 then
              redis.call('HSET', asked.settled, id, later)
              redis.call('DEL', prefix .. id .. ':owners')
            elseif mail ~= '' then owners = { mail } end
            for _, owner in ipairs(owners) do
              local letter = letters[owner]
              if not letter then
                letter = { 'by', asked.by }
                letters[owner] = letter
              end
              letter[#letter + 1] = 'm'
              letter[#letter + 1] = message
            end
          end
        end
        answers[n] = answer
      end
      if #gone > 0 then redis.call('DEL', unpack(gone)) end
      for prefix, ids in pairs(stalled) do redis.call('SREM', prefix .. 'stalled', unpack(ids)) end
      if #keep > 0 then redis.call('HSET', told, unpack(keep)) end
      for owner, letter in pairs(letters) do redis.call('XADD', owner, '*', unpack(letter)) end
      return answers`,
  },
  /**
   * Prolongs leases. BullMQ's own script for it writes each lock anew, for which a Redis that is full has no room.
   * ARGV: for how long, then prefix, id and token of each. Returns 1 for each that is still held.
   */
  renew: {
    keys: 0,
    lua: `
      local held = {}
      for n = 2, #ARGV, 3 do
        local prefix, id = ARGV[n], ARGV[n + 1]
        local isHeld = redis.call('GET', prefix .. id .. ':lock') == ARGV[n + 2]
        if isHeld then
          redis.call('PEXPIRE', prefix .. id .. ':lock', ARGV[1])
          redis.call('SREM', prefix .. 'stalled', id)
        end
        held[#held + 1] = isHeld and 1 or 0
      end
      return held`,
  },
} as const;

export type BulkScriptName = keyof typeof BULK_SCRIPTS;

/** What `claim` is asked; the names are those that the script knows. */
export interface AskedOfRedis {
  readonly lockMs: number;
  readonly free: number;
  readonly othersRun: boolean;
  readonly aloneFrom: number;
  readonly settled: string;
  /** A token is this and the number of the claim. */
  readonly token: string;
  readonly number: number;
  /** How the mark of the caller's own jobs begins. */
  readonly own: string;
  readonly queues: readonly { readonly index: number; readonly prefix: string; readonly task: string }[];
  readonly rooms: Readonly<Record<string, number>>;
  /** Of tasks whose breaker is tried: its name. */
  readonly trials: Readonly<Record<string, string>>;
}

/** What `end` is asked; the names are those that the script knows. */
export interface EndsInRedis {
  /** '': nobody asks again. */
  readonly told: string;
  /** What stands in `told` by now is of no use to anybody any more. */
  readonly isSure: boolean;
  readonly settled: string;
  readonly by: string;
  readonly home: string;
  /** Prefixes. */
  readonly queues: readonly string[];
  /**
   * `mail` '': the job is the caller's own. `permits` '': it has no group. `later`: the message for owners who come later;
   * '': it has one owner.
   */
  readonly ends: readonly (readonly [
    queue: number,
    id: string,
    token: string,
    mail: string,
    permits: string,
    later: string,
  ])[];
}

/** `alone`: id of the one that must run alone, or ''. `own`: of jobs of the caller's own, which has all else in their rows. */
export type ClaimedInRedis = readonly [
  alone: string,
  claims: readonly ClaimInRedis[],
  own: readonly OwnClaimInRedis[],
];

/** `number`: of its token. `hasEnded`: 1 for a job of a shared source that has ended before. */
export type ClaimInRedis = readonly [
  queue: number,
  number: number,
  id: string,
  data: string,
  stalls: string,
  deferredFailure: string,
  hasEnded: number,
];

/** `attempt`: how many there were before. */
type OwnClaimInRedis = readonly [queue: number, number: number, id: string, attempt: number, crashes: number];
