// Node: process.send between a process and those that it has forked. `node.js <workload> <count>` prints the
// figure.
'use strict';

const {fork} = require('node:child_process');

const kLargeBytes = 1 << 20;
const kStep = 0x9e3779b97f4a7c15n;
const word = (value) => BigInt.asUintN(64, value);
const valueOf = (i) => word(BigInt(i) * kStep);
const sumOf = (messages) => word((BigInt(messages) * BigInt(messages - 1) / 2n) * kStep);

function message(i) {
  const bytes = Buffer.alloc(64);
  bytes.writeBigUInt64LE(valueOf(i));
  return bytes;
}

function fail(what) {
  console.error(what);
  process.exit(1);
}

const start = (role, count) => fork(__filename, [role, String(count)], {serialization: 'advanced'});
const seconds = (before) => Number(process.hrtime.bigint() - before) / 1e9;

function largeContents() {
  const words = new BigUint64Array(kLargeBytes / 8).map((_, i) => valueOf(i));
  return Buffer.from(words.buffer);
}
function number(bytes, i) {
  bytes.writeBigUInt64LE(valueOf(i), 0);
  bytes.writeBigUInt64LE(valueOf(i), kLargeBytes - 8);
  return bytes;
}

const parts = {
  echo: () => process.on('message', (bytes) => process.send(bytes)),
  sender: (count) => {
    process.on('message', () => sendAll(0, count, message));
    process.send('ready');
  },
  largeSender: (count) => {
    const bytes = largeContents();
    const numbered = (i) => number(bytes, i);
    process.on('message', () => sendAll(0, count, numbered));
    process.send('ready');
  },
};

// A few at a time, each batch when the one before has left.
function sendAll(from, count, make) {
  const until = Math.min(count, from + 16);
  for (let i = from; i < until; ++i) {
    process.send(make(i), i + 1 === until && until < count ? () => sendAll(until, count, make) : undefined);
  }
}

function roundTrip(count) {
  const other = start('echo', count);
  let i = 0, before = 0n;
  const next = () => other.send(message(i));
  other.on('message', (bytes) => {
    if (bytes.length !== 64 || Buffer.from(bytes).readBigUInt64LE() !== valueOf(i)) fail('another answer');
    if (++i === Math.floor(count / 10)) before = process.hrtime.bigint();
    if (i < count + Math.floor(count / 10)) return next();
    console.log(seconds(before) * 1e6 / count);
    process.exit(0);
  });
  if (count < 10) before = process.hrtime.bigint();
  next();
}

function receive(role, senders, each, read, expected, figureOf) {
  let left = senders * each, sum = 0n, ready = 0, before = 0n;
  const others = Array.from({length: senders}, () => start(role, each));
  const begin = () => {
    before = process.hrtime.bigint();
    for (const other of others) other.send('begin');
  };
  for (const other of others) {
    other.on('message', (bytes) => {
      if (bytes === 'ready') return ++ready === senders && begin();
      sum += read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
      if (--left > 0) return;
      if (word(sum) !== expected) fail('another sum');
      console.log(figureOf(seconds(before)));
      process.exit(0);
    });
  }
}

function oneWay(senders, messages) {
  const each = Math.floor(messages / senders);
  const read = (bytes) => (bytes.length === 64 ? bytes.readBigUInt64LE() : fail('another size'));
  receive('sender', senders, each, read, word(BigInt(senders) * sumOf(each)),
          (took) => senders * each / took / 1e6);
}

function large(count) {
  const expected = largeContents();
  let i = 0;
  // All of it is compared: adding up words is slow here.
  const read = (bytes) => (number(expected, i++).equals(bytes) ? 0n : fail('another message'));
  receive('largeSender', 1, count, read, 0n, (took) => count * kLargeBytes / took / 1e9);
}

const workloads = {
  'round-trip': roundTrip,
  'one-way': (count) => oneWay(1, count),
  'four-to-one': (count) => oneWay(4, count),
  large,
};
const [, , what, count] = process.argv;
(workloads[what] ?? parts[what] ?? fail)(Number(count));
