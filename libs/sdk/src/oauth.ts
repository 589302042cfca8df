/** Only the authorization server's tokens, for programs that speak REST and load nothing of gRPC. */
export { OAuthClient, readKeyFile, type AccessToken, type ClientKey } from './client/oauth.js';
