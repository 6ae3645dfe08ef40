import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { type Issue, initialised, templateFile } from './default-handlers.js';

const { closeWhatIsOpen } = (await import(templateFile('handlers/mend.mjs'))) as {
  closeWhatIsOpen(source: string): string;
};
const records = fileURLToPath(new URL('../fixtures/records', import.meta.url));

const ISSUE: Issue = {
  title: 'Fan curve',
  project: 'outputs/fan-curve',
  file: 'main.js',
  round: 1,
  line: 1,
  error: 'x',
};

/** A project whose source this is, and the issue that it was handed over with. */
function handedOver(code: string) {
  const place = initialised();
  mkdirSync(place.path('outputs/fan-curve'));
  writeFileSync(place.path('outputs/fan-curve/main.js'), code);
  writeFileSync(place.path('QAissue.json'), JSON.stringify([ISSUE]));
  return { place, issue: ISSUE, source: () => place.project('fan-curve')['main.js'] };
}

describe('the first round', () => {
  it.each([
    ['brackets at the end', 'function f() {\n  return [1, (2', 'function f() {\n  return [1, (2\n)]}\n'],
    ['a quote at the end of a line', 'const a = "one;\nconst b = 2;\n', 'const a = "one;"\nconst b = 2;\n'],
    ['a quote and its bracket', 'console.log("hi\n', 'console.log("hi"\n)\n'],
    ['a quote with an escape', "const a = 'it\\'s;\n", "const a = 'it\\'s;'\n"],
    ['a template without an end', 'const a = `one\ntwo\n', 'const a = `one\ntwo`\n'],
    ['a bracket too many', 'f(1));\nfunction f() {}}\n', 'f(1);\nfunction f() {}\n'],
    [
      'those in comments and texts do not count',
      '// (\n/* [ */ const a = "{";\nf(a\n',
      '// (\n/* [ */ const a = "{";\nf(a\n)\n',
    ],
    ['a comment without an end', 'f(1);\n/* [', 'f(1);\n/* [\n'],
    ['a text that ends in an escaped quote', 'f("a\\"\n', 'f("a\\""\n)\n'],
    ['nothing', 'const ok = [1];\n', 'const ok = [1];\n'],
  ])('closes what was left open: %s', (_, code, mended) => {
    expect(closeWhatIsOpen(code)).toBe(mended);
  });

  it('is over when that was all: the source is mended, and a note says what was done', async () => {
    const { place, issue, source } = handedOver('function f() {\n  return [1, (2');
    const [answer] = await place.rework(issue);
    expect(answer).toMatchObject({ ok: true, result: { round: 1, what: 'closed what was left open' } });
    expect(source()).toBe('function f() {\n  return [1, (2\n)]}\n');
    expect(place.issues()).toHaveLength(1);
    expect(place.project('fan-curve')['rework-1.md']).toContain('Done: closed what was left open');
  });

  it('takes back what did not help, and hands over to the second', async () => {
    const code = 'const a = [1;\nfor a in b:\n';
    const { place, issue, source } = handedOver(code);
    const [answer] = await place.rework(issue);
    expect(answer).toMatchObject({ ok: true, result: { handedTo: 'QAissue.json' } });
    expect(source()).toBe(code);
    expect(place.issues()).toMatchObject([
      { round: 1 },
      { title: 'Fan curve', round: 2, project: 'outputs/fan-curve' },
    ]);
  });

  it('done twice gives the same', async () => {
    const { place, issue, source } = handedOver('const a = 1;\nfor a in b:\n');
    await place.rework(issue, issue);
    expect(place.issues()).toHaveLength(2);
    const second = handedOver('f(');
    await second.place.rework(second.issue);
    const after = second.source();
    const [again] = await second.place.rework(second.issue);
    expect(again).toMatchObject({
      ok: true,
      result: { what: 'nothing to mend: the source passes the check' },
    });
    expect(second.source()).toBe(after);
    expect(source()).toBe('const a = 1;\nfor a in b:\n');
  });
});

describe('the second round', () => {
  it('comments out the lines that the check names', async () => {
    const { place, issue, source } = handedOver('const a = 1;\nfor a in b:\nelse:\nconsole.log(a);\n');
    const [answer] = await place.rework({ ...issue, round: 2 });
    expect(answer).toMatchObject({ ok: true, result: { what: 'commented out 2 lines' } });
    expect(source()).toBe(
      "const a = 1;\n// for a in b: // commented out: SyntaxError: Unexpected identifier 'a'\n// else: // commented out: SyntaxError: Unexpected token 'else'\nconsole.log(a);\n",
    );
  });
});

describe('the third round', () => {
  const prose = Array.from({ length: 15 }, (_, i) => `this line ${i} is no program\n`).join('');

  it('is for a person: the job fails for good and nothing is handed on', async () => {
    const { place, issue } = handedOver(prose);
    const answers = await place.rework(issue, { ...issue, round: 2 }, { ...issue, round: 3 });
    expect(answers).toMatchObject([{ ok: true }, { ok: true }, { ok: false, retry: false }]);
    expect(answers[2]?.error).toMatch(/"Fan curve" was tried 2 times and needs a person: x/);
    expect(place.issues().map((entry) => entry.round)).toEqual([1, 2, 3]);
  });

  it('ends every chain: whatever is fed back, nothing feeds itself for ever', async () => {
    const { place, issue } = handedOver(prose);
    const waiting: Issue[] = [issue];
    const seen = new Set<string>();
    let runs = 0;
    for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
      runs += 1;
      expect(runs).toBeLessThan(6);
      await place.rework(entry);
      for (const next of place.issues()) {
        const text = JSON.stringify(next);
        if (!seen.has(text) && next.round > 1) waiting.push(next);
        seen.add(text);
      }
    }
    expect(runs).toBe(3);
  });

  it('a strange round is no way around it', async () => {
    const { place, issue } = handedOver(prose);
    const rounds = [Number.NaN, -7, 0, 0.5, '3', null];
    await place.rework(...rounds.map((round) => ({ ...issue, round })));
    expect(new Set(place.issues().map((entry) => entry.round))).toEqual(new Set([1, 2]));
  });
});

describe('an entry that somebody else has written', () => {
  it('may name only a title: the project of that title is looked at', async () => {
    const { place, source } = handedOver('f(');
    const [answer] = await place.rework({ title: 'Fan curve', error: 'it does not stop' });
    expect(answer).toMatchObject({
      ok: true,
      result: { project: 'outputs/fan-curve', what: 'closed what was left open' },
    });
    expect(source()).toBe('f(\n)\n');
  });

  it('about a project that is not there is noted', async () => {
    const place = initialised();
    const [answer] = await place.rework({ title: 'Porch light', error: 'flickers' });
    expect(answer).toMatchObject({ ok: true, result: { what: 'noted only: there is no such source' } });
    expect(place.project('porch-light')['rework-1.md']).toContain('flickers');
  });

  it.each([null, 7, 'text', [], {}, { title: '' }, { title: 3 }])(
    'that has no title fails for good: %j',
    async (payload) => {
      const [answer] = await initialised().rework(payload);
      expect(answer).toMatchObject({ ok: false, retry: false });
    },
  );

  it('cannot lead out of outputs/', async () => {
    const place = initialised();
    writeFileSync(place.path('main.js'), 'f(');
    for (const path of ['..', '.', '../..', '/', '../../etc', '', 'outputs/..', '.hidden']) {
      await place.rework(
        { title: 'Way out', project: path, file: '../main.js' },
        { title: 'Way out', project: path, file: path },
      );
    }
    expect(place.read('main.js')).toBe('f(');
    expect(place.projects().sort()).toEqual(['etc', 'way-out']);
  });

  it('of every kind in the fixtures is answered', async () => {
    const place = initialised();
    const entries = JSON.parse(readFileSync(join(records, 'QAissue.json'), 'utf8')) as unknown[];
    const answers = await place.rework(...entries);
    expect(answers.map((answer) => answer.ok)).toEqual([true, true, true, true, false, true, true, false]);
  });
});
