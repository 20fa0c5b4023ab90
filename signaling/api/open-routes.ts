import express, { Router } from 'express';
import { RefreshSignInRequest } from '../../protocol/wire/api.ts';
import type { SignInService } from '../auth/identity.ts';
import { perMinute } from './rate-limit.ts';

/** A refresh token of Cognito has some 2 kB. */
const MAX_REFRESH = '8kb';

/** The routes that need no identity: the server's health, and the sign-in. */
export function openRoutes(parts: { signIn: SignInService; signInsPerMinute: number }): Router {
  const { signIn, signInsPerMinute } = parts;
  const router = Router();
  router.get('/health', (_req, res) => {
    res.json({ status: 'ok' });
  });
  router.post('/anonymous-signin', perMinute(signInsPerMinute, 'sign-ins'), async (_req, res) => {
    res.json(await signIn.signIn());
  });
  const limit = perMinute(signInsPerMinute, 'renewals of sign-ins');
  router.post('/refresh-signin', limit, express.json({ limit: MAX_REFRESH }), async (req, res) => {
    res.json(await signIn.refresh(RefreshSignInRequest.parse(req.body).refresh_token));
  });
  return router;
}
