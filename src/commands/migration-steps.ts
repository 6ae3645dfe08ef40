/** Steps of a move as its user sees them, in order. */
export const MIGRATION_STEPS = ['plan', 'dual', 'copy', 'verify', 'cutover', 'finish'] as const;
export type MigrationStep = (typeof MIGRATION_STEPS)[number];
