import { CREDENTIALS_ERROR, hasCredentials, isRedisAddress } from '../config/store-address.js';
import { DoggedError, EXIT } from '../job/errors.js';
import { type MoveDesk, nameOfStore, withMoveDesk } from '../store/move.js';
import type { Move } from '../store/move-contract.js';
import { lookAtProcesses } from '../view/worker-look.js';
import type { CommandCall, CommandModule, CommonOptions } from './command.js';
import { Migration } from './migration.js';
import { MIGRATION_STEPS, type MigrationStep } from './migration-steps.js';
import { planJson, planLines, statusJson, statusLines } from './migration-text.js';
import { duration } from './option-values.js';
import { locateSystem, withReader } from './system.js';

interface MigrateOptions extends CommonOptions {
  readonly to?: string;
  readonly until?: MigrationStep;
  readonly dryRun?: boolean;
  readonly status?: boolean;
  readonly rollback?: boolean;
  readonly timeout?: number;
}

type Call = CommandCall<MigrateOptions>;

export const migrateCommand: CommandModule<MigrateOptions> = {
  examples: [
    'dogged migrate --to redis://192.168.1.10:6379/0 --dry-run   # what would happen',
    'dogged migrate --to redis://192.168.1.10:6379/0',
    'dogged migrate --to sqlite',
    'dogged migrate --rollback',
  ],
  notes: `The worker keeps running, and so do the programs that write its files. Broken off anywhere, the same command goes on from
there. Steps: ${MIGRATION_STEPS.join(', ')}; to SQLite: plan, cutover, finish. User and password of Redis come from the environment.
Exit codes: 0 done, or stopped where --until says, 1 refused, taken back too late, not equal, or timed out, 69 no worker, or
Redis is away or not to be trusted, 78 Redis refuses us or the worker.`,
  configure(command) {
    command
      .option('--to <store>', 'sqlite, or an address such as redis://192.168.1.10:6379/0', storeTarget)
      .option('--until <step>', `stop after this step: ${MIGRATION_STEPS.join(', ')}`, migrationStep)
      .option('--dry-run', 'check both ends, say what would happen, and change nothing')
      .option('--status', 'how a move stands')
      .option('--rollback', 'take it back, at any time before finish')
      .option('--timeout <duration>', 'stop waiting after this; the worker goes on with the step', duration);
  },
  async run(call) {
    const { options, clock } = call;
    const { stateFolder } = await locateSystem(options);
    refuseContradictions(options);
    // Opening it as a command would create it, and a wrong folder would go unnoticed.
    await withReader(stateFolder, clock, async () => undefined);
    return withMoveDesk(stateFolder, clock, (desk) => migrate(call, desk, stateFolder));
  },
};

async function migrate(call: Call, desk: MoveDesk, stateFolder: string): Promise<number> {
  const { options, output, clock } = call;
  const look = await desk.look();
  if (options.status === true) {
    output.json(statusJson(look));
    for (const line of statusLines(look, clock.wallMs())) output.print(line);
    return EXIT.ok;
  }
  const migration = new Migration({
    desk,
    stateFolder,
    clock,
    output,
    until: options.until ?? 'finish',
    timeoutMs: options.timeout ?? null,
  });
  if (options.rollback === true) {
    if (look.move === null) throw new DoggedError('MOVE_NONE', { store: look.current });
    refuseWithoutWorker(stateFolder, clock.wallMs());
    return migration.rollBack();
  }
  const target = await targetOf(options, look.move);
  if (look.move === null) {
    if (target === look.current) return alreadyThere(call, target);
    const plan = await desk.plan(target);
    output.json(planJson(plan));
    for (const line of planLines(plan)) output.print(line);
    if (plan.hindrances.length > 0) {
      const detail = plan.hindrances.join('; ');
      throw new DoggedError('MOVE_REFUSED', { source: plan.source, target, detail });
    }
  }
  if (options.dryRun === true || options.until === 'plan') return EXIT.ok;
  refuseWithoutWorker(stateFolder, clock.wallMs());
  // Null: the move that was met has ended meanwhile, and the rest is to be looked at anew.
  const again = { ...call, options: { ...options, to: target } };
  return (await migration.run(target, look.move !== null)) ?? migrate(again, desk, stateFolder);
}

function alreadyThere({ output }: Call, target: string): number {
  output.json({ done: true, store: target });
  output.print(`Nothing is to be moved: jobs run from ${target}.`);
  return EXIT.ok;
}

async function targetOf({ to }: MigrateOptions, move: Move | null): Promise<string> {
  const named = to === undefined ? null : await nameOfStore(to);
  const target = named ?? move?.target;
  if (target === undefined)
    throw new DoggedError('USAGE', {
      problem: 'Say where the jobs are to go: --to STORE',
      command: 'migrate',
    });
  if (move !== null && move.target !== target) {
    throw new DoggedError('MOVE_UNDER_WAY', { source: move.source, target: move.target });
  }
  return target;
}

function refuseContradictions({ to, until, dryRun, status, rollback }: MigrateOptions): void {
  const alone = [status === true ? '--status' : null, rollback === true ? '--rollback' : null].filter(
    Boolean,
  );
  const hasOthers = to !== undefined || until !== undefined || dryRun === true;
  const problem =
    alone.length > 1 || (alone.length === 1 && hasOthers)
      ? `${alone[0]} goes alone: with no --to, --until, --dry-run, --status or --rollback beside it`
      : to === 'sqlite' && (until === 'dual' || until === 'copy' || until === 'verify')
        ? `There is no step ${until} on the way to SQLite: the rows are there already`
        : null;
  if (problem !== null) throw new DoggedError('USAGE', { problem, command: 'migrate' });
}

function refuseWithoutWorker(stateFolder: string, nowMs: number): void {
  const { verdict, monitor } = lookAtProcesses(stateFolder, nowMs);
  // One that has just died is started again by its monitor, and is waited for.
  if (verdict !== 'running' && verdict !== 'stuck' && monitor.pid === null)
    throw new DoggedError('WORKER_NEEDED');
}

/** The text is not shown: it may hold a password. */
function storeTarget(text: string): string {
  const problem = hasCredentials(text)
    ? `The address ${CREDENTIALS_ERROR}`
    : text === 'sqlite' || isRedisAddress(text)
      ? null
      : 'The store must be sqlite, or an address such as redis://127.0.0.1:6379/0 or rediss://host:6379/0';
  if (problem !== null) throw new DoggedError('USAGE', { problem, command: 'migrate' });
  return text;
}

function migrationStep(text: string): MigrationStep {
  const step = MIGRATION_STEPS.find((one) => one === text);
  if (step === undefined) {
    const problem = `There is no step "${text}": it is one of ${MIGRATION_STEPS.join(', ')}`;
    throw new DoggedError('USAGE', { problem, command: 'migrate' });
  }
  return step;
}
