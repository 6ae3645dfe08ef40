import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, expectTypeOf, test } from 'vitest';
import { defineConfig, defineHandler, type ModuleContext, type ModuleHandler } from '../src/index.js';
import { tempFolder } from './support/temp-folder.js';

const root = dirname(fileURLToPath(new URL('.', import.meta.url)));

interface Order {
  readonly id: string;
  readonly amount: number;
}

test('a handler has the types of its payload, its context and its result, and is given back as it is', async () => {
  const handle = async (order: Order, context: ModuleContext) => {
    context.progress(50);
    return { charged: order.amount, attempt: context.attempt };
  };
  const handler = defineHandler(handle);
  expect(handler).toBe(handle);
  expectTypeOf(handler).toEqualTypeOf<ModuleHandler<Order, { charged: number; attempt: number }>>();
  expectTypeOf(handler).parameter(0).toEqualTypeOf<Order>();
  expectTypeOf(handler).parameter(1).toEqualTypeOf<ModuleContext>();

  const inferred = defineHandler<Order, number>((order, { signal, source }) => {
    expectTypeOf(order).toEqualTypeOf<Order>();
    expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
    expectTypeOf(source).toEqualTypeOf<string | null>();
    return order.amount;
  });
  expectTypeOf(inferred).returns.toEqualTypeOf<number | Promise<number>>();
  // Without a word about it, a payload is anything, and nothing can be read from it unchecked.
  defineHandler((payload) => expectTypeOf(payload).toBeUnknown());
});

test('what does not fit is refused by the compiler', () => {
  // @ts-expect-error: the result is to be a number
  defineHandler<Order, number>(async () => 'seven');
  // @ts-expect-error: an order has no title
  defineHandler((order: Order) => order.title);
  // @ts-expect-error: what is in the context cannot be set
  defineHandler((_order, context) => (context.attempt = 7));
  // @ts-expect-error: a task of this name has no such setting
  defineConfig({ tasks: { a: { run: ['true'], verfy: ['true'] } } });
  expect(defineConfig({ tasks: { a: { run: ['true'], verify: ['true'] } } })).toBeDefined();
});

test("somebody else's TypeScript sees these types through the package, as the handlers page shows it", () => {
  const page = readFileSync(join(root, 'docs', 'handlers.md'), 'utf8');
  const [, example = ''] = /```ts handlers\/count\.ts\n([\s\S]*?)```/.exec(page) ?? [];
  const folder = tempFolder();
  const built = join(folder, 'node_modules', 'dogged');
  mkdirSync(built, { recursive: true });
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  execFileSync(tsc, ['-p', root, '--outDir', join(built, 'dist'), '--noCheck', '--emitDeclarationOnly']);
  for (const name of ['package.json', 'node_modules']) symlinkSync(join(root, name), join(built, name));
  mkdirSync(join(folder, 'node_modules', '@types'));
  symlinkSync(join(root, 'node_modules', '@types', 'node'), join(folder, 'node_modules', '@types', 'node'));
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  const compile = (text: string) => {
    writeFileSync(join(folder, 'count.ts'), text);
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck'];
    return execFileSync(tsc, [...options, '--types', 'node', 'count.ts'], { cwd: folder, encoding: 'utf8' });
  };
  expect(compile(example)).toBe('');
  expect(() => compile(example.replace('text.split', 'text.splitt'))).toThrow();
  expect(() => compile(example.replace('{ words: text', '{ wrods: text'))).toThrow();
});
