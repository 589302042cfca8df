import passportJwt from 'passport-jwt';
import type { TokenVerifier, VerifiedToken } from './tokens.js';

type JwtVerifier = (
  raw: string,
  key: unknown,
  options: object,
  done: (error: unknown, payload?: unknown) => void,
) => void;
interface Attempt {
  success(token: VerifiedToken): void;
  fail(reason: unknown): void;
  error(reason: unknown): void;
}

/** Proof that a token was verified, in the place where passport-jwt expects the key to verify it with. */
class Verified {
  constructor(readonly token: VerifiedToken) {}
}

// passport-jwt verifies with jsonwebtoken, which knows no `typ` and keeps no cache; jose has done it by then. The hook is
// global, so whatever does not come from here still goes the original way.
const hook = passportJwt.Strategy as unknown as { JwtVerifier: JwtVerifier };
const original = hook.JwtVerifier;
hook.JwtVerifier = (raw, key, options, done) =>
  key instanceof Verified ? done(null, key.token) : original(raw, key, options, done);

/** passport's bearer strategy over headers alone, so that gRPC metadata serves as well as an HTTP request. */
export class BearerStrategy {
  private readonly strategy: passportJwt.Strategy;

  constructor(verifier: Pick<TokenVerifier, 'verify'>) {
    this.strategy = new passportJwt.Strategy(
      {
        jwtFromRequest: passportJwt.ExtractJwt.fromAuthHeaderAsBearerToken(),
        secretOrKeyProvider: (_request: unknown, raw: string, done: (error: unknown, key?: string) => void) => {
          verifier.verify(raw).then(
            (token) => done(null, new Verified(token) as unknown as string),
            (error: unknown) => done(error),
          );
        },
      },
      (token: unknown, done: (error: null, user: unknown) => void) => done(null, token),
    );
  }

  /** The token in `authorization: Bearer …`, verified; undefined when there is none. @throws what the verifier throws */
  verify(authorization: string | undefined): Promise<VerifiedToken | undefined> {
    if (authorization === undefined || !/^bearer +\S+$/i.test(authorization)) return Promise.resolve(undefined);
    return new Promise((resolve, reject) => {
      const attempt: Attempt = { success: resolve, fail: reject, error: reject };
      const authenticate = Object.assign(
        Object.create(this.strategy) as { authenticate(request: object): void },
        attempt,
      );
      authenticate.authenticate({ headers: { authorization } });
    });
  }
}
