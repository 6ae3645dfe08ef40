import type { End, Orphan } from '../contract.js';
import { rowIdOf } from '../sqlite/core.js';
import type { Answer, Told } from './ends.js';
import { isAway } from './redis-link.js';
import type { TurnParts } from './turn.js';

/**
 * What dead workers of ours had begun, here and for other machines. Ends of theirs that had come to Redis are settled first, and what
 * they had claimed and not begun is put back.
 */
export async function findOrphans({
  store,
  remote,
  epoch,
}: Omit<TurnParts, 'turn'>): Promise<readonly Orphan[]> {
  try {
    await remote.mail.read();
  } catch (error) {
    if (!isAway(error)) throw error;
  }
  await remote.quietly(async () => void (await remote.unbegun.putBack()));
  const own = (await store.sqlite.orphans()).filter(({ claim }) => claim.epoch > 0);
  const foreign = await store.sqlite.look(() => store.books.foreignOrphans(epoch));
  return [...own, ...foreign.map(({ claim, startedAtMs }) => ({ claim, startedAtMs }))];
}

/** Ends of workers that are no more, by the tokens that they wrote down. */
export async function rescueEnds({
  store,
  remote,
  ends,
  nowMs,
}: Omit<TurnParts, 'turn'> & { readonly ends: readonly End[]; readonly nowMs: number }): Promise<
  readonly Answer[]
> {
  const { sqlite } = store;
  const answers: Answer[] = [];
  for (const end of ends) {
    answers.push(await rescueEnd(end));
  }
  return answers;

  async function rescueEnd(end: End): Promise<Answer> {
    const { claim, report, next } = end;
    const rowId = rowIdOf(claim.id);
    const lease = await sqlite.look(() => store.books.leaseOf(claim, remote.origin));
    if (lease === null) {
      // From before the store was Redis: nobody else knows of it.
      return rowId === null ? 'lost' : ((await sqlite.rescue([end], nowMs))[0] ?? 'lost');
    }
    const { workspace, task, ...rest } = lease;
    const queue = remote.queues.get(workspace, task);
    // Others may own it as well: the books do not say.
    const ending = { ...rest, queue, attempt: claim.attempt, isShared: true };
    const told = await tellOnce({ ending, report, next });
    const answer = await writeDown(told);
    remote.answers.delete(ending.token);
    return answer;

    async function writeDown(told: Answer): Promise<Answer> {
      if (rowId === null) {
        await sqlite.within(() => store.books.dropForeign(claim.id));
        return told;
      }
      if (told === 'recorded') return (await sqlite.rescue([end], nowMs))[0] ?? 'lost';
      await sqlite.within(() => store.books.leave(rowId, claim.epoch, claim.attempt));
      return 'lost';
    }
  }

  /** Should SQLite not take it, the next try has the answer. */
  async function tellOnce(end: Told): Promise<Answer> {
    const { token } = end.ending;
    const known = remote.answers.get(token);
    if (known !== undefined) return known;
    remote.unheard.add(token);
    const [answer = 'lost'] = await remote.ends.tell([end], remote.self, nowMs);
    remote.unheard.delete(token);
    remote.answers.set(token, answer);
    return answer;
  }
}
