import { Router } from 'express';
import type { SignInService } from '../auth/identity.ts';
import { perMinute } from './rate-limit.ts';

/** The two routes that need no identity: the server's health, and the sign-in. */
export function openRoutes(parts: { signIn: SignInService; signInsPerMinute: number }): Router {
  const router = Router();
  router.get('/health', (_req, res) => {
    res.json({ status: 'ok' });
  });
  router.post('/anonymous-signin', perMinute(parts.signInsPerMinute, 'sign-ins'), async (_req, res) => {
    res.json(await parts.signIn.signIn());
  });
  return router;
}
