"""The lock under which one job at a time runs."""

import threading

queue_lock = threading.Lock()
