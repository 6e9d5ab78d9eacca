// A certified OpenID Connect provider for tests, on a port of its own choosing.
//
// The only argument is a JSON object: { redirect_uris, post_logout_redirect_uris, secret,
// claims_in_id_token }. The first line of output is the issuer. It ends when its input is closed.
//
// Beside the provider's own endpoints there is one for the test:
//   PUT /control/users/<name>   the user's claims from now on; the JSON `null` blocks the user

import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

// The output is for the issuer only, and the library's advice is for production.
console.log = console.info = console.warn = () => {};
const { default: Provider } = await import('oidc-provider');

const setup = JSON.parse(process.argv[2]);
const users = new Map();

// By way of PEM: the object that generates a key shares a lock with it, and when Node collects
// that object while the key is exported, it waits for itself for ever.
function privateKey(type, alg, options) {
  const { privateKey: pem } = generateKeyPairSync(type, {
    ...options,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  return { ...createPrivateKey(pem).export({ format: 'jwk' }), use: 'sig', alg };
}

const keys = [
  privateKey('rsa', 'RS256', { modulusLength: 2048 }),
  privateKey('rsa', 'PS384', { modulusLength: 2048 }),
  privateKey('ec', 'ES256', { namedCurve: 'P-256' }),
  privateKey('ec', 'ES384', { namedCurve: 'P-384' }),
  privateKey('ed25519', 'EdDSA'),
];

// One client for each algorithm: `roadstead` gets RS256, the others are `roadstead-<alg>`.
function client(alg) {
  return {
    client_id: alg === 'RS256' ? 'roadstead' : `roadstead-${alg}`,
    client_secret: setup.secret,
    redirect_uris: setup.redirect_uris,
    post_logout_redirect_uris: setup.post_logout_redirect_uris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: alg,
  };
}

async function findAccount(_context, id) {
  const claims = users.get(id);
  return claims && { accountId: id, claims: async () => ({ ...claims, sub: id }) };
}

async function control(request, response) {
  const name = decodeURIComponent(request.url.slice('/control/users/'.length));
  const claims = JSON.parse(await text(request));
  if (claims === null) {
    users.delete(name);
  } else {
    users.set(name, claims);
  }
  response.writeHead(204).end();
}

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: keys.map((key) => client(key.alg)),
    jwks: { keys },
    cookies: { keys: ['a key of these tests'] },
    features: {
      devInteractions: { enabled: true },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username', 'groups'] },
    conformIdTokenClaims: !setup.claims_in_id_token,
    enabledJWA: { idTokenSigningAlgValues: keys.map((key) => key.alg) },
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    findAccount,
  });
  const ours = provider.callback();
  server.on('request', (request, response) => {
    if (request.method === 'PUT' && request.url.startsWith('/control/users/')) {
      control(request, response);
    } else {
      ours(request, response);
    }
  });
  process.stdout.write(`${issuer}\n`);
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
