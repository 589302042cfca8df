export { authenticatorContract, type AuthenticatorUnderTest, type TestFramework } from './authenticator-contract.js';
export { CaseApi, caseErrors } from './case-service.js';
export { startTestApi, type TestApi, type TestApiOptions } from './start-api.js';
export { FakeAuthenticator, fakeToken, type FakeToken } from './fake-authenticator.js';
