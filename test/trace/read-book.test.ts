import { expect, test } from 'vitest';
import { sha256 } from '../../src/job/snapshot.js';
import { ReadBook } from '../../src/trace/read-book.js';

const hash = (id: string) => sha256(id);
const jobs = (...ids: string[]) => {
  return () => ids.map((id) => [id, Buffer.concat([Buffer.from(id), hash(id)])] as const);
};

test('a cycle is told once, with its last job, in whichever order they are read', () => {
  const book = new ReadBook();
  book.expect('c', 'ideas', jobs('1', '2'));
  book.expect('c', 'ideas', jobs('3'));
  expect(book.read('3', hash('3'))).toBeNull();
  expect(book.close('c')).toBeNull();
  expect(book.read('1', hash('1'))).toBeNull();
  expect(book.read('2', hash('2'))).toMatchObject({ cycle: 'c', source: 'ideas', count: 3, isEqual: true });
  expect(book.read('2', hash('2'))).toBeNull();
});

test('jobs that are all read before the poll is over are told at its end', () => {
  const book = new ReadBook();
  book.expect('c', null, jobs('1'));
  expect(book.read('1', hash('1'))).toBeNull();
  expect(book.close('c')).toMatchObject({ count: 1, isEqual: true });
  expect(book.close('c')).toBeNull();
});

test('what was read is in the hash: one other payload gives another, and is not called equal', () => {
  const [whole, torn] = [new ReadBook(), new ReadBook()];
  for (const book of [whole, torn]) {
    book.expect('c', null, jobs('1', '2'));
    book.close('c');
    book.read('1', hash('1'));
  }
  const first = whole.read('2', hash('2'));
  const second = torn.read('2', hash('another'));
  expect(second).toMatchObject({ count: 2, isEqual: false });
  expect(second?.crc).not.toBe(first?.crc);
});

test('a job that a newer version has replaced is read for its new cycle', () => {
  const book = new ReadBook();
  book.expect('old', null, jobs('1', '2'));
  book.close('old');
  book.expect('new', null, jobs('1'));
  book.close('new');
  expect(book.read('1', hash('1'))).toMatchObject({ cycle: 'new' });
  expect(book.read('2', hash('2'))).toBeNull();
});

test('large cycles and old ones fall out of it', () => {
  const book = new ReadBook();
  const many = (from: number, count: number) => Array.from({ length: count }, (_, n) => String(from + n));
  book.expect('large', null, jobs(...many(1, 900)));
  book.expect('large', null, jobs(...many(901, 200)));
  expect(book.close('large')).toBeNull();
  expect(book.read('1', hash('1'))).toBeNull();
  for (let n = 0; n < 12; n += 1) {
    book.expect(`c${n}`, null, jobs(...many(10_000 * n, 1_000)));
    book.close(`c${n}`);
  }
  const readAll = (n: number) =>
    many(10_000 * n, 1_000)
      .map((id) => book.read(id, hash(id)))
      .at(-1);
  expect(readAll(0)).toBeNull();
  expect(readAll(11)).toMatchObject({ cycle: 'c11', count: 1_000 });
});
