export { TestIdentity, type TestClaims } from './testing/test-identity.js';
export { TestIssuer } from './tokens.testing.js';
