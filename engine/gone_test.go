package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A disk that does not answer delays nobody for longer than they wait, and is asked once, however often they come.
func TestADiskThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q diskQuestion
		asked, hang, moved := 0, make(chan struct{}), errors.New("moved")
		question := func() error { asked++; <-hang; return moved }
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), healthTime)
			if err := q.ask(ctx, question); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("without an answer: %v", err)
			}
			cancel()
		}
		close(hang)
		synctest.Wait()
		if asked != 1 {
			t.Errorf("the disk was asked %d times", asked)
		}
		if err := q.ask(t.Context(), question); !errors.Is(err, moved) || asked != 2 {
			t.Errorf("with an answer, when asked for time %d: %v", asked, err)
		}
	})
}
