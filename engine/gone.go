package engine

import (
	"context"
	"sync"
)

// diskQuestion asks a disk something that it may never answer, as a network's does when its server is away. One question is
// on its way at a time, however often it is asked, so that nothing piles up.
type diskQuestion struct {
	mu     sync.Mutex
	asking chan struct{} // closed with the answer; nil while nothing is asked
	answer error         // the last
}

// ask returns the disk's answer, or ctx's error when there is none in time.
func (q *diskQuestion) ask(ctx context.Context, question func() error) error {
	q.mu.Lock()
	if q.asking == nil {
		q.asking = make(chan struct{})
		go q.wait(question)
	}
	asking := q.asking
	q.mu.Unlock()
	select {
	case <-asking:
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.answer
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (q *diskQuestion) wait(question func() error) {
	answer := question()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.answer = answer
	close(q.asking)
	q.asking = nil
}
