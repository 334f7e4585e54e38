"""Under aiohttp: python aio.py PORT"""

import sys

from aiohttp import web
from handlers import make

app = web.Application()
make("aiohttp").attach(app)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None, backlog=4096)
