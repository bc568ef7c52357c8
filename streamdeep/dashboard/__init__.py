"""The dashboard: one more subscriber, and a page that shows what it hears (``docs/dashboard.md``).

chart     where embeddings lie on a map on which places stay put
packets   what a browser is sent: texts of JSON, and bytes of spectrograms
scene     messages in, packets out: labels, places, how all streams are doing
desk      teaching: what browsers ask for, and a head that is saved where the user said
audience  all browsers, and the recent past for those who join
pages     the page's files
server    over HTTP and WebSocket; the only module here that knows starlette
dashboard subscriber, scene and server at work
page/     the page: HTML, CSS, JavaScript modules, as they are; no build step
"""
