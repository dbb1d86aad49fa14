package journal

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// BenchmarkAppend measures durable records per second with that many appenders, each waiting for its own.
func BenchmarkAppend(b *testing.B) {
	for _, appenders := range []int{1, 16, 64, 256, 1024} {
		b.Run(fmt.Sprint(appenders), func(b *testing.B) {
			j := open(b, b.TempDir(), Options{})
			click := payload(1, 400)
			b.SetBytes(int64(headerSize + len(click)))
			b.ReportAllocs()
			var wg sync.WaitGroup
			for a := range appenders {
				wg.Go(func() {
					for i := a; i < b.N; i += appenders {
						ticket, err := j.Append(click)
						if err == nil {
							err = ticket.Wait(10 * time.Second)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
