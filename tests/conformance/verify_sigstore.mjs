// Verify a bundle with stock sigstore-js: BUNDLE TRUSTED_ROOT IDENTITY. Prints the identity.
import fs from 'fs';
import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { Verifier, toSignedEntity, toTrustMaterial } from '@sigstore/verify';

const [bundlePath, rootPath, identity] = process.argv.slice(2);
const read = (path) => JSON.parse(fs.readFileSync(path));
const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(read(rootPath))), {
  tlogThreshold: 1,
  ctlogThreshold: 1,
  timestampThreshold: 1,
});
try {
  const entity = toSignedEntity(bundleFromJSON(read(bundlePath)));
  const signer = verifier.verify(entity, { subjectAlternativeName: identity });
  console.log('VERIFIED', signer.identity.subjectAlternativeName);
} catch (error) {
  console.error('REFUSED', error.code, error.message, error.cause?.message ?? '');
  process.exit(1);
}
