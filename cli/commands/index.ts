import type { Command } from '@oclif/core';
import Config from './config.ts';
import ErrorTable from './errors.ts';
import Infer from './infer.ts';
import JobsAttach from './jobs/attach.ts';
import JobsCancel from './jobs/cancel.ts';
import JobsGet from './jobs/get.ts';
import JobsList from './jobs/list.ts';
import JobsLog from './jobs/log.ts';
import JobsPause from './jobs/pause.ts';
import JobsResume from './jobs/resume.ts';
import JobsShow from './jobs/show.ts';
import JobsStop from './jobs/stop.ts';
import ModelsDownload from './models/download.ts';
import ModelsList from './models/list.ts';
import ModelsShow from './models/show.ts';
import RoomsCreate from './rooms/create.ts';
import RoomsDelete from './rooms/delete.ts';
import RoomsInvite from './rooms/invite.ts';
import RoomsJoin from './rooms/join.ts';
import RoomsOpen from './rooms/open.ts';
import RoomsRemoveMember from './rooms/remove-member.ts';
import RoomsRotate from './rooms/rotate.ts';
import RoomsShow from './rooms/show.ts';
import Train from './train.ts';
import WorkersDrain from './workers/drain.ts';
import WorkersList from './workers/list.ts';

/** Every command by its oclif id. Commands import modules that load slowly only when they run. */
export const COMMANDS: Record<string, Command.Class> = {
  config: Config,
  errors: ErrorTable,
  infer: Infer,
  'jobs:attach': JobsAttach,
  'jobs:cancel': JobsCancel,
  'jobs:get': JobsGet,
  'jobs:list': JobsList,
  'jobs:log': JobsLog,
  'jobs:pause': JobsPause,
  'jobs:resume': JobsResume,
  'jobs:show': JobsShow,
  'jobs:stop': JobsStop,
  'models:download': ModelsDownload,
  'models:list': ModelsList,
  'models:show': ModelsShow,
  'rooms:create': RoomsCreate,
  'rooms:delete': RoomsDelete,
  'rooms:invite': RoomsInvite,
  'rooms:join': RoomsJoin,
  'rooms:open': RoomsOpen,
  'rooms:remove-member': RoomsRemoveMember,
  'rooms:rotate': RoomsRotate,
  'rooms:show': RoomsShow,
  train: Train,
  'workers:drain': WorkersDrain,
  'workers:list': WorkersList,
};
