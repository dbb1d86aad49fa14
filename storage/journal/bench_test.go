package journal

import (
	"fmt"
	"hash/crc32"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// BenchmarkClicks has appenders that keep the processors busy for 100 µs between two records, as requests do, where
// BenchmarkAppend's only wait: how many records share an fsync then.
func BenchmarkClicks(b *testing.B) {
	for _, appenders := range []int{4, 16, 64, 256} {
		b.Run(fmt.Sprint(appenders), func(b *testing.B) {
			j := open(b, b.TempDir(), Options{})
			click, text := payload(1, 400), payload(1, 64<<10)
			steps := 100 * time.Microsecond / timeOf(text)
			var before, after dto.Metric
			if err := batchRecords.Write(&before); err != nil {
				b.Fatal(err)
			}
			var wg sync.WaitGroup
			b.ResetTimer()
			for a := range appenders {
				wg.Go(func() {
					for i := a; i < b.N; i += appenders {
						for range steps {
							crc32.ChecksumIEEE(text)
						}
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
			b.StopTimer()
			if err := batchRecords.Write(&after); err != nil {
				b.Fatal(err)
			}
			batches := after.Histogram.GetSampleCount() - before.Histogram.GetSampleCount()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(b.N)/float64(batches), "records/batch")
		})
	}
}

// timeOf returns how long the checksum of text takes, at best.
func timeOf(text []byte) time.Duration {
	best := time.Hour
	for range 100 {
		start := time.Now()
		crc32.ChecksumIEEE(text)
		best = max(1, min(best, time.Since(start)))
	}
	return best
}

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
