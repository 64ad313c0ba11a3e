"""The echo server as Python's library has it, with a process for each connection."""

import socketserver


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(16 * 1024):
            self.request.sendall(data)


class Server(socketserver.ForkingTCPServer):
    request_queue_size = 4096


if __name__ == "__main__":
    with Server(("127.0.0.1", 0), Echo) as server:
        print("fork_echo.py listens on port", server.server_address[1], flush=True)
        server.serve_forever()
