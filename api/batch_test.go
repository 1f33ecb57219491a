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

// traffic counts the packets and system calls of a connection.
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

// withCUBIC returns a configuration for tests that count packets. The model of the path of BBR
// depends on the load of the machine.
func withCUBIC() Configuration {
	return Configuration{SCTP: &SCTPSettings{CongestionControl: sctp.CongestionCUBIC}}
}

// quietTime is longer than a SACK is delayed, and than the pacer delays a packet.
const quietTime = 50 * time.Millisecond

// quiet waits until all data is acknowledged, and all packets between two connections have arrived.
// If a packet was lost, it waits for a longer silence instead.
func (p *pair) quiet() {
	p.t.Helper()
	var last [4]uint64
	since := time.Now()
	eventually(p.t, "no packet is in flight", func() bool {
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

// RFC 9260, section 6.2, recommends a SACK for every second packet, and forbids more than one SACK
// for an incoming packet, except to update the receive window. The packets of a batch arrive at
// once. Therefore one SACK acknowledges all of them, and leaves in one system call with the other
// packets that the batch has caused.
func TestOneSACKForABatch(t *testing.T) {
	config := withCUBIC()
	config.SCTP.InitialCongestionWindow = 200
	p := newPair(t, config, config)
	a, b := p.connect("x", nil)
	p.quiet()
	before := trafficOf(p.b)

	// The receiver's reader waits for the mutex, as it does while a larger batch is handled.
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
		require.Less(t, got.udp.ReadCalls, int64(count/2), "the kernel had received them before")
	}
	require.LessOrEqual(t, got.sacks, uint64(got.udp.ReadCalls))
	require.LessOrEqual(t, got.udp.WriteCalls, got.udp.ReadCalls+2, "two for ICE, which has a timer")
}

// In a transfer at full speed packets are sent and received in batches, there are far fewer SACKs
// than one for two packets, and acknowledgements do not wake a blocked writer for each packet.
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
			if size > 1200 { // the number of small messages in a batch depends on the speed of the program
				require.Less(t, uint64(from.udp.WriteCalls), to.packets/4)
			}
			require.Less(t, uint64(to.udp.ReadCalls), to.packets/4)
			require.Less(t, to.sacks, to.packets/4)
			require.Less(t, uint64(to.udp.WriteCalls), to.packets/4)
		})
	}
}

// bulkPacketsPerWakeup is the least number of packets for each wake-up of a blocked writer.
// Measured: about 100.
const bulkPacketsPerWakeup = 20

// writeCounted writes a message like WriteMessage, and returns how often it was woken.
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

// On an idle connection Send passes the message to the operating system before it returns: no other
// goroutine has to run first.
func TestSendOnAnIdleConnectionIsImmediate(t *testing.T) {
	p := newPair(t, Configuration{}, Configuration{})
	a, b := p.connect("x", nil)
	message := []byte("hello")
	for range 5 {
		p.quiet()
		before := trafficOf(p.a)
		// The connection's own goroutines cannot send it: no packet arrives, and the timer, if it
		// expires, has nothing to do.
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
