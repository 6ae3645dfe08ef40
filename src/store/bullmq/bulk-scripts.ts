import { createRequire } from 'node:module';

/**
 * Many claims, and many ends, in one call each. How a job moves is left to BullMQ: its own scripts `moveToActive` and
 * `moveToFinished` stand in ours as functions, word for word, and are called once for each job. Their keys and arguments
 * belong to the version of BullMQ that is installed, which is why that is pinned; the conformance suite holds each new one.
 */
const require = createRequire(import.meta.url);

interface BullmqScript {
  readonly content: string;
}

function bullmqScript(name: string, keys: number): string {
  const found = require(`bullmq/dist/cjs/scripts/${name}-${keys}.js`) as Record<string, BullmqScript>;
  const content = found[name]?.content;
  if (content === undefined) throw new Error(`this BullMQ has no script ${name}`);
  return `local function ${name}(KEYS, ARGV)\n${content}\nend`;
}

export const BULK_SCRIPTS = {
  /**
   * Claims what stands first, best rank first, within the free slots and the rooms of tasks; one job only for a breaker that
   * is tried. A job that must run alone holds up those behind it until nothing else runs at the caller's.
   * ARGV: what is asked, as JSON (`AskedOfRedis`). Returns {id that must run alone or '', claims}, each claim being
   * {index of queue, token, job id, data, stalls, deferred failure, 1 if a job of a shared source has ended before}.
   */
  claim: {
    keys: 0,
    lua: `
      ${bullmqScript('moveToActive', 11)}
      local asked = cjson.decode(ARGV[1])
      local queues, rooms = asked.queues, asked.rooms
      local claims, alone, number = {}, '', asked.number
      local anySettled = redis.call('EXISTS', asked.settled) == 1

      local function lookAt(queue)
        local id = redis.call('LINDEX', queue.prefix .. 'wait', -1)
        local rank = -math.huge
        if not id then
          local first = redis.call('ZRANGE', queue.prefix .. 'prioritized', 0, 0, 'WITHSCORES')
          id, rank = first[1], tonumber(first[2])
        end
        queue.head, queue.rank = id, rank
        if not id then return end
        local deaths = redis.call('HMGET', queue.prefix .. id, 'dogged:crashes', 'stc')
        queue.crashes = (tonumber(deaths[1] or 0) or 0) + (tonumber(deaths[2] or 0) or 0)
        if queue.crashes < asked.aloneFrom then return end
        -- It holds nobody up while its queue gives nothing away.
        local meta = redis.call('HMGET', queue.prefix .. 'meta', 'paused', 'concurrency')
        local isFull = meta[2] and redis.call('LLEN', queue.prefix .. 'active') >= tonumber(meta[2])
        if meta[1] or isFull then queue.head = false end
      end

      local function take(queue)
        local prefix = queue.prefix
        local keys = {}
        for n, name in ipairs({ 'wait', 'active', 'prioritized', 'events', 'stalled', 'limiter', 'delayed', 'paused', 'meta',
          'pc', 'marker' }) do keys[n] = prefix .. name end
        local token = asked.token .. number
        number = number + 1
        local opts = cmsgpack.pack({ token = token, lockDuration = asked.lockMs })
        local moved = moveToActive(keys, { prefix, asked.now, opts })
        local id, fields = moved[2], moved[1]
        if not id or id == 0 then return false end
        local found = {}
        for n = 1, #fields, 2 do found[fields[n]] = fields[n + 1] end
        local hasEnded = anySettled and redis.call('HEXISTS', asked.settled, id) or 0
        claims[#claims + 1] = { queue.index, token, id, found.data or '', found.stc or '0', found.defa or '', hasEnded }
        return true
      end

      for _, queue in ipairs(queues) do lookAt(queue) end
      while #claims < asked.free do
        local best
        for _, queue in ipairs(queues) do
          if queue.head and (rooms[queue.task] or 0) > 0 and (not best or queue.rank < best.rank) then best = queue end
        end
        if not best then break end
        if best.crashes >= asked.aloneFrom then
          alone = best.head
          if #claims == 0 and not asked.othersRun then take(best) end
          break
        end
        if take(best) then
          rooms[best.task] = rooms[best.task] - 1
          local trial = asked.trials[best.task]
          if trial then
            for task, other in pairs(asked.trials) do if other == trial then rooms[task] = 0 end end
          end
          lookAt(best)
        else
          best.head = false
        end
      end
      return { alone, claims }`,
  },
  /**
   * The one moment at which attempts end: only the token that holds the lock may, the job leaves BullMQ, and it is told to its
   * owner, or to all its owners. What was told stands in \`told\` until the caller has heard of it, so that to one who asks
   * again the answer is the same. ARGV: told, 1 if the caller has heard all answers so far, now, SETTLED, then of each end:
   * prefix, id, token, message (none: nobody is told), mail, permits, message for those who come later, reason of a failure.
   */
  end: {
    keys: 0,
    lua: `
      ${bullmqScript('moveToFinished', 14)}
      local told, now, settled = ARGV[1], ARGV[3], ARGV[4]
      -- First, for a Redis that is full lets a script write on that has begun with a removal.
      if ARGV[2] == '1' then redis.call('DEL', told) else redis.call('HDEL', told, '') end

      local function finish(prefix, id, token, reason)
        local target = reason == '' and 'completed' or 'failed'
        local keys = {}
        for n, name in ipairs({ 'wait', 'active', 'prioritized', 'events', 'stalled', 'limiter', 'delayed', 'paused', 'meta',
          'pc', target, id, 'metrics:' .. target, 'marker' }) do keys[n] = prefix .. name end
        local opts = cmsgpack.pack({ token = token, keepJobs = { count = 0 }, attempts = 1, maxMetricsSize = '' })
        local kind = reason == '' and 'returnvalue' or 'failedReason'
        return moveToFinished(keys, { id, now, kind, reason == '' and 'null' or reason, target, '0', prefix, opts })
      end

      local answers = {}
      for n = 5, #ARGV, 8 do
        local prefix, id, token, message = ARGV[n], ARGV[n + 1], ARGV[n + 2], ARGV[n + 3]
        local mail, permits, later, reason = ARGV[n + 4], ARGV[n + 5], ARGV[n + 6], ARGV[n + 7]
        local answer = 0
        if redis.call('HGET', told, id) == token then
          answer = 1
        elseif redis.call('GET', prefix .. id .. ':lock') == token and finish(prefix, id, token, reason) == 0 then
          answer = 1
          redis.call('ZREM', permits, id)
          if message ~= '' then
            redis.call('HSET', told, id, token)
            local owners = redis.call('SMEMBERS', prefix .. id .. ':owners')
            if #owners == 0 then owners = { mail }
            else
              redis.call('HSET', settled, id, later)
              redis.call('DEL', prefix .. id .. ':owners')
            end
            for _, one in ipairs(owners) do redis.call('XADD', one, '*', 'm', message) end
          end
        end
        answers[#answers + 1] = answer
      end
      redis.call('EXPIRE', told, 86400)
      return answers`,
  },
} as const;

export type BulkScriptName = keyof typeof BULK_SCRIPTS;

/** What `claim` is asked; the names are those that the script knows. */
export interface AskedOfRedis {
  readonly now: string;
  readonly lockMs: number;
  readonly free: number;
  readonly othersRun: boolean;
  readonly aloneFrom: number;
  readonly settled: string;
  /** A token is this and the number of the claim. */
  readonly token: string;
  readonly number: number;
  readonly queues: readonly { readonly index: number; readonly prefix: string; readonly task: string }[];
  readonly rooms: Readonly<Record<string, number>>;
  /** Of tasks whose breaker is tried: its name. */
  readonly trials: Readonly<Record<string, string>>;
}

export type ClaimedInRedis = readonly [
  queue: number,
  token: string,
  id: string,
  data: string,
  stalls: string,
  deferredFailure: string,
  hasEnded: number,
];
