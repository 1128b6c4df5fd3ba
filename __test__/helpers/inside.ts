/** What no export of the package has: the binding itself, and how it is found. */
import { createRequire } from 'node:module'
import type * as Native from '../../dist/native.js'
import type * as Platform from '../../dist/platform.js'

const require = createRequire(import.meta.url)
export const { native } = require('../../../dist/native.js') as typeof Native
export const { platform, platformName, PREBUILT, VERSION } = require('../../../dist/platform.js') as typeof Platform
