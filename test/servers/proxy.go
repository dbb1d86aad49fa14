//go:build unix

package servers

import (
	"bytes"
	"net"
	"sync"
	"testing"
)

// FaultProxy passes connections on to a server and breaks them when told.
type FaultProxy struct {
	Addr string // host:port to dial instead of the server's

	mu     sync.Mutex
	change *sync.Cond // signalled when mode changes or a connection closes
	target string
	mode   proxyMode
	pipes  map[*pipe]struct{}
	only   []byte // what a request must contain for its reply to be at risk
	drop   func(call int) bool
	calls  int
	lost   int
}

type proxyMode int

const (
	passing proxyMode = iota
	cut
	hole
)

// pipe is one connection through the proxy.
type pipe struct {
	client, server net.Conn
	called         bool // a request has gone to the server and its reply is due
	doomed         bool // that reply is to be lost
	closed         bool
}

// Proxy listens on a loopback port in front of target (host:port) until the test ends.
func Proxy(t testing.TB, target string) *FaultProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &FaultProxy{Addr: l.Addr().String(), target: target, pipes: map[*pipe]struct{}{}}
	p.change = sync.NewCond(&p.mu)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.Cut()
		running.Wait()
	})
	return p
}

// Cut closes every connection, and every new one at once, until Restore.
func (p *FaultProxy) Cut() {
	p.set(cut)
	p.mu.Lock()
	defer p.mu.Unlock()
	for pipe := range p.pipes {
		p.close(pipe)
	}
}

// Switch makes another server (host:port) the target of the connections that are opened from now on, as a failover does,
// and closes those to the old one.
func (p *FaultProxy) Switch(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for pipe := range p.pipes {
		p.close(pipe)
	}
}

// BlackHole keeps connections open and lets nothing through in either direction until Restore, which lets it all through.
func (p *FaultProxy) BlackHole() { p.set(hole) }

// Restore ends Cut and BlackHole.
func (p *FaultProxy) Restore() { p.set(passing) }

func (p *FaultProxy) set(m proxyMode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode = m
	p.change.Broadcast()
}

// DropReplies sets who loses the reply: drop is asked with the number of each call, counted from 1, handshakes included. If
// it says true the request is passed on whole, and when its reply comes the connection is closed instead. nil drops none.
// A call is what a client sends between two replies, so clients must not send ahead.
func (p *FaultProxy) DropReplies(drop func(call int) bool) { p.DropRepliesTo("", drop) }

// DropRepliesTo is DropReplies for those calls only whose beginning, as it comes from the client in one piece, contains that
// text: "commit" is SQL's. drop is not asked about the others.
func (p *FaultProxy) DropRepliesTo(text string, drop func(call int) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.only, p.drop = []byte(text), drop
}

// Lost is the number of replies dropped so far.
func (p *FaultProxy) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

func (p *FaultProxy) serve(client net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.Dial("tcp", target)
	if err != nil {
		client.Close()
		return
	}
	c := &pipe{client: client, server: server}
	p.mu.Lock()
	p.pipes[c] = struct{}{}
	if p.mode == cut || p.target != target {
		p.close(c)
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(c, server, client, p.request) })
	both.Go(func() { p.copy(c, client, server, p.reply) })
	both.Wait()
}

// copy moves bytes one way until the connection ends; pass is asked before each write.
func (p *FaultProxy) copy(c *pipe, to, from net.Conn, pass func(*pipe, []byte) bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 && pass(c, buf[:n]) {
			_, err = to.Write(buf[:n])
		}
		if err != nil {
			p.mu.Lock()
			p.close(c)
			p.mu.Unlock()
			return
		}
	}
}

// request waits while the proxy is a black hole and settles the fate of the reply.
func (p *FaultProxy) request(c *pipe, sent []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.await(c)
	if !c.called {
		c.called = true
		p.calls++
		c.doomed = p.drop != nil && bytes.Contains(sent, p.only) && p.drop(p.calls)
	}
	return !c.closed
}

// reply waits likewise, and closes the connection of a doomed call.
func (p *FaultProxy) reply(c *pipe, _ []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.await(c)
	c.called = false
	if c.doomed && !c.closed {
		p.lost++
		p.close(c)
	}
	return !c.closed
}

func (p *FaultProxy) await(c *pipe) {
	for p.mode == hole && !c.closed {
		p.change.Wait()
	}
}

// close is called with the lock held.
func (p *FaultProxy) close(c *pipe) {
	c.closed = true
	c.client.Close()
	c.server.Close()
	delete(p.pipes, c)
	p.change.Broadcast()
}
