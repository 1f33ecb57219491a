package rtc

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rtcstack/rtcstack/internal/udp"
	"github.com/rtcstack/rtcstack/sctp"
)

// traffic is what a connection has done so far.
type traffic struct {
	udp     udp.Stats // of the socket in use
	packets uint64    // SCTP packets received
	sent    uint64    // and sent
	sacks   uint64    // sent
}

func trafficOf(pc *PeerConnection) traffic {
	s := pc.Stats().SCTP
	pc.mu.Lock()
	defer pc.mu.Unlock()
	return traffic{pc.transport.ice.Path().Link.(*udp.Socket).Stats(), s.PacketsReceived, s.PacketsSent, s.SACKsSent}
}

func (t traffic) since(before traffic) traffic {
	t.udp.ReadCalls -= before.udp.ReadCalls
	t.udp.Received -= before.udp.Received
	t.udp.WriteCalls -= before.udp.WriteCalls
	t.udp.Sent -= before.udp.Sent
	t.packets -= before.packets
	t.sent -= before.sent
	t.sacks -= before.sacks
	return t
}

// withCUBIC configures tests that count packets: how a model of the path comes about on a busy machine is not their subject.
func withCUBIC() Configuration {
	return Configuration{SCTP: &SCTPSettings{CongestionControl: sctp.CongestionCUBIC}}
}

// quietTime is more than a SACK is delayed, or packets wait for the pacer that nobody else counts.
const quietTime = 50 * time.Millisecond

// quiet waits until nothing is under way between two connections: everything is acknowledged, and all that was sent has arrived. Where
// a packet was lost, a longer silence has to do.
func (p *pair) quiet() {
	p.t.Helper()
	var last [4]uint64
	since := time.Now()
	eventually(p.t, "nothing is under way", func() bool {
		a, b := p.a.Stats().SCTP, p.b.Stats().SCTP
		now := [4]uint64{a.PacketsSent, a.PacketsReceived, b.PacketsSent, b.PacketsReceived}
		if now != last || a.Buffered+b.Buffered > 0 {
			last, since = now, time.Now()
		}
		silence := time.Since(since)
		all := a.PacketsSent == b.PacketsReceived && b.PacketsSent == a.PacketsReceived
		return silence > 20*quietTime || all && silence > quietTime
	})
}

// RFC 9260, section 6.2: "an acknowledgement SHOULD be generated for at least every second packet (not every second DATA chunk) received",
// and "an SCTP receiver MUST NOT generate more than one SACK for every incoming packet, other than to update the offered
// window". What a batch brings arrives at once, so one SACK acknowledges all of it, and leaves in one system call with
// whatever else the batch has caused.
func TestOneSACKForABatch(t *testing.T) {
	config := withCUBIC()
	config.SCTP.InitialCongestionWindow = 200
	p := newPair(t, config, config)
	a, b := p.connect("x", nil)
	p.quiet()
	before := trafficOf(p.b)

	// The receiver's reader waits for the mutex, as it does while a bigger batch is being handled.
	const count, size = 150, 1000
	message := make([]byte, size)
	p.b.mu.Lock()
	for i := range count {
		binary.BigEndian.PutUint32(message, uint32(i))
		if err := a.Send(message); err != nil {
			p.b.mu.Unlock()
			t.Fatal(err)
		}
	}
	p.b.mu.Unlock()
	for i := range count {
		require.EqualValues(t, i, binary.BigEndian.Uint32(next(t, b).Data))
	}
	p.quiet()
	got := trafficOf(p.b).since(before)
	t.Logf("%d packets in %d batches, %d SACKs, %d writes", got.packets, got.udp.ReadCalls, got.sacks, got.udp.WriteCalls)
	require.GreaterOrEqual(t, got.packets, uint64(count))
	if got.udp.Batch {
		require.Less(t, got.udp.ReadCalls, int64(count/2), "the kernel had them ready")
	}
	require.LessOrEqual(t, got.sacks, uint64(got.udp.ReadCalls))
	require.LessOrEqual(t, got.udp.WriteCalls, got.udp.ReadCalls+2, "two for ICE, which has a timer")
}

// In a transfer at full speed packets leave in batches and arrive in batches, there are far fewer SACKs than one for two packets, and the
// program that writes is not woken for each packet that is acknowledged.
func TestBulkTransferIsBatched(t *testing.T) {
	for _, size := range []int{1024, 65536} {
		t.Run(fmt.Sprintf("messages of %d bytes", size), func(t *testing.T) {
			p := newPair(t, withCUBIC(), withCUBIC())
			a, b := p.connect("bulk", nil)
			count := 12 << 20 / size
			done := make(chan struct{})
			received := 0
			b.OnMessage(func(Message) {
				if received++; received == count {
					close(done)
				}
			})
			p.quiet()
			beforeA, beforeB := trafficOf(p.a), trafficOf(p.b)
			wakeups := 0
			message := make([]byte, size)
			for range count {
				wakeups += writeCounted(t, a, message)
			}
			receive(t, done, "end of the stream")
			p.quiet()
			from, to := trafficOf(p.a).since(beforeA), trafficOf(p.b).since(beforeB)
			t.Logf("%d packets: sent with %d calls, received in %d batches, %d SACKs in %d writes; the writer was woken %d times",
				to.packets, from.udp.WriteCalls, to.udp.ReadCalls, to.sacks, to.udp.WriteCalls, wakeups)
			require.Less(t, uint64(wakeups), to.packets/bulkPacketsPerWakeup)
			if !to.udp.Batch || !from.udp.GSO {
				return // one datagram is a batch
			}
			if size > 1200 { // how many small messages share a call depends on how fast the program makes them
				require.Less(t, uint64(from.udp.WriteCalls), to.packets/4)
			}
			require.Less(t, uint64(to.udp.ReadCalls), to.packets/4)
			require.Less(t, to.sacks, to.packets/4)
			require.Less(t, uint64(to.udp.WriteCalls), to.packets/4)
		})
	}
}

// bulkPacketsPerWakeup is the least number of packets for each time that a blocked writer is woken. It is about 100 as measured.
const bulkPacketsPerWakeup = 20

// writeCounted is WriteMessage, and counts how often it is woken.
func writeCounted(t *testing.T, dc *DataChannel, data []byte) (wakeups int) {
	t.Helper()
	for {
		dc.owner.lock()
		wait, err := dc.waitWritable()
		if !wait && err == nil {
			err = dc.owner.send(data, false)
			dc.writers.wake()
		}
		dc.owner.unlock()
		require.NoError(t, err)
		if !wait {
			return wakeups
		}
		dc.writers.wait(t.Context().Done(), nil)
		require.NoError(t, t.Context().Err())
		wakeups++
	}
}

// A message that is sent on an idle connection is in the hands of the operating system when Send returns: no other goroutine has to
// run first.
func TestSendOnAnIdleConnectionLeavesAtOnce(t *testing.T) {
	p := newPair(t, Configuration{}, Configuration{})
	a, b := p.connect("x", nil)
	message := []byte("hello")
	for range 5 {
		p.quiet()
		before := trafficOf(p.a)
		// The connection's own goroutines cannot do it: nothing comes in, and the timer, if it fires, finds nothing.
		require.NoError(t, a.Send(message))
		got := trafficOf(p.a).since(before)
		require.EqualValues(t, 1, got.sent)
		require.GreaterOrEqual(t, got.udp.Sent, int64(1))
		p.a.mu.Lock()
		require.Zero(t, p.a.transport.batch.Len(), "nothing waits to be sent")
		p.a.mu.Unlock()
		require.Equal(t, message, next(t, b).Data)
	}
}
