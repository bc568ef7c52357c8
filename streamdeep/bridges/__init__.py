"""The wire, translated for programs that do not speak it: MQTT, WebSocket, Prometheus (``docs/bridges.md``).

Each bridge is one more subscriber, in a process of its own. Most of it is pure:

text           a message as a JSON value
streams        which streams there are, and which of them are there now
health         is something wrong with a stream
identifier     any text as an identifier of letters, digits, _ and -
homeassistant  how Home Assistant learns of a stream: discovery documents
publications   messages -> what is published over MQTT
pending        what waits for the broker: bounded, the newest of each state
broker         where the broker is and how one logs in
mqtt_session   one connection to a broker; the only module that knows paho
mqtt_bridge    the MQTT bridge at work
mqtt_removal   takes back what a broker retains of a stream
access         who may connect to a server here: addresses, Host, Origin, token
request        what a browser asked for
mailbox        what waits for one browser: bounded, with a count of what was dropped
fanout         all browsers, and the last of every state for those who join
reading        one client's lines as they come
serving        a small server of pages and WebSockets; the only module that knows uvicorn
websocket      the WebSocket bridge at work
gauges         what Prometheus is told, as numbers
prometheus     the numbers as metrics; the only module that knows prometheus_client
scrapes        a small HTTP server for one page
prometheus_bridge   the Prometheus bridge at work
"""
