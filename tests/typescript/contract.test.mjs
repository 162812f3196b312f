// The vendor's TypeScript client against RUNLOOP_BASE_URL: one test per fact, smaller than the Python suite.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { RunloopSDK, toFile } from '@runloop/api-client';

const sdk = new RunloopSDK();
const made = [];
let devbox;

async function create(options = {}) {
  const one = await sdk.devbox.create(options);
  made.push(one);
  return one;
}

before(async () => {
  devbox = await create({ name: 'typescript', metadata: { suite: 'typescript' } });
});

after(async () => {
  await Promise.all(made.map((one) => one.shutdown()));
});

test('a devbox is running when create returns, with what it was given', async () => {
  const info = await devbox.getInfo();
  assert.equal(info.status, 'running');
  assert.equal(info.name, 'typescript');
  assert.deepEqual(info.metadata, { suite: 'typescript' });
});

test('a command gives its streams and its exit code', async () => {
  const result = await devbox.cmd.exec('echo out; echo err >&2; exit 3');
  assert.equal(await result.stdout(), 'out\n');
  assert.equal(await result.stderr(), 'err\n');
  assert.equal(result.exitCode, 3);
});

test('output of more lines than one answer holds comes whole', async () => {
  const result = await devbox.cmd.exec('seq 1 5000');
  assert.equal((await result.stdout()).trim().split('\n').length, 5000);
});

test('output streams while the command runs', async () => {
  const lines = [];
  const result = await devbox.cmd.exec('echo one; sleep 0.2; echo two', { stdout: (line) => lines.push(line) });
  assert.equal(result.exitCode, 0);
  assert.equal(lines.join(''), 'one\ntwo\n');
});

test('a command that runs can be looked at and killed', async () => {
  const execution = await devbox.cmd.execAsync('sleep 600');
  assert.equal((await execution.getState()).status, 'running');
  await execution.kill();
  assert.notEqual((await execution.result()).exitCode, 0);
});

test('a named shell remembers', async () => {
  const shell = devbox.shell('work');
  await shell.exec('cd /tmp && export WORD=kept');
  assert.equal(await (await shell.exec('pwd; echo $WORD')).stdout(), '/tmp\nkept\n');
});

test('files are written, read, uploaded and downloaded', async () => {
  await devbox.file.write({ file_path: 'note.txt', contents: 'größer\n' });
  assert.equal(await devbox.file.read({ file_path: 'note.txt' }), 'größer\n');

  const bytes = Buffer.from(Array.from({ length: 70000 }, (_, at) => at % 256));
  await devbox.file.upload({ path: 'data.bin', file: await toFile(bytes, 'data.bin') });
  const answer = await devbox.file.download({ path: 'data.bin' });
  assert.deepEqual(Buffer.from(await answer.arrayBuffer()), bytes);
});

test('a suspended devbox keeps its disk and its id', async () => {
  const one = await create();
  await one.cmd.exec('echo kept > file');
  await one.suspend();
  await one.awaitSuspended();
  await one.resume();
  assert.equal((await one.getInfo()).status, 'running');
  assert.equal(await one.file.read({ file_path: 'file' }), 'kept\n');
});

test('a devbox made from a disk snapshot has its files', async () => {
  const snapshot = await devbox.snapshotDisk({ name: 'typescript' });
  const copy = await snapshot.createDevbox();
  made.push(copy);
  assert.equal((await copy.cmd.exec('ls note.txt')).exitCode, 0);
  await snapshot.delete();
  assert.equal((await snapshot.queryStatus()).status, 'deleted');
});

test('a blueprint is built and used', async () => {
  const blueprint = await sdk.blueprint.create({
    name: `typescript-${process.pid}`,
    system_setup_commands: ['echo built > /tmp/built'],
  });
  const one = await blueprint.createDevbox();
  made.push(one);
  assert.equal(await (await one.cmd.exec('cat /tmp/built')).stdout(), 'built\n');
  await blueprint.delete();
});

test('an object is stored and read', async () => {
  const object = await sdk.storageObject.uploadFromText('stored', 'typescript.txt');
  assert.equal(await object.downloadAsText(), 'stored');
  await object.delete();
});

test('a secret reaches a devbox and is never shown', async () => {
  const name = `TYPESCRIPT_${process.pid}`;
  const secret = await sdk.secret.create({ name, value: 'hidden' });
  const one = await create({ secrets: { MINE: name } });
  assert.equal(await (await one.cmd.exec('echo $MINE')).stdout(), 'hidden\n');
  assert.ok(!JSON.stringify(await secret.getInfo()).includes('hidden'));
  await secret.delete();
});

test('a list goes through all its pages', async () => {
  const found = [];
  for await (const one of sdk.api.devboxes.list({ limit: 1 })) {
    found.push(one.id);
  }
  assert.ok(found.includes(devbox.id));
  assert.equal(new Set(found).size, found.length);
});

test('what is not there is a NotFoundError', async () => {
  await assert.rejects(sdk.devbox.fromId('dbx_nothing').getInfo(), { status: 404 });
});
