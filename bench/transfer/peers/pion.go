// Pion by itself, one side of a measured transfer: `pion send|receive PATH BYTES`. The sender prints its offer and reads the
// answer; the receiver does the reverse. All are JSON lines. Then each prints the time, CPU and memory that it used.
package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/pion/webrtc/v4"
)

const messageBytes = 64 * 1024
const bufferBytes = 1024 * 1024

var startedAt time.Time
var cpuBefore float64

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func start() {
	startedAt, cpuBefore = time.Now(), cpuSeconds()
}

func report(line any) {
	text, err := json.Marshal(line)
	must(err)
	os.Stdout.Write(append(text, '\n'))
}

func reportUse(hash string) {
	status, _ := os.ReadFile("/proc/self/status")
	rss := 0.0
	if match := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status); match != nil {
		kilobytes, _ := strconv.ParseFloat(string(match[1]), 64)
		rss = kilobytes / 1024
	}
	report(map[string]any{
		"seconds": time.Since(startedAt).Seconds(), "started_at": startedAt.UnixMilli(),
		"cpu_s": cpuSeconds() - cpuBefore, "rss_mb": rss, "sha256": hash,
	})
}

func main() {
	path, lines := os.Args[2], bufio.NewReader(os.Stdin)
	bytes, err := strconv.ParseInt(os.Args[3], 10, 64)
	must(err)
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	peer, err := webrtc.NewAPI(webrtc.WithSettingEngine(settings)).NewPeerConnection(webrtc.Configuration{})
	must(err)
	readDescription := func() {
		var description webrtc.SessionDescription
		text, err := lines.ReadBytes('\n')
		must(err)
		must(json.Unmarshal(text, &description))
		must(peer.SetRemoteDescription(description))
	}
	describe := func(description webrtc.SessionDescription, err error) {
		must(err)
		gathered := webrtc.GatheringCompletePromise(peer)
		must(peer.SetLocalDescription(description))
		<-gathered
		report(peer.LocalDescription())
	}
	done := make(chan string, 1)
	if os.Args[1] == "send" {
		channel, err := peer.CreateDataChannel("data", nil)
		must(err)
		channel.OnMessage(func(webrtc.DataChannelMessage) { done <- "" })
		channel.OnOpen(func() { go send(channel, path) })
		describe(peer.CreateOffer(nil))
		start()
		readDescription()
	} else {
		file, err := os.Create(path)
		must(err)
		hash := sha256.New()
		peer.OnDataChannel(func(channel *webrtc.DataChannel) {
			channel.OnOpen(start)
			channel.OnMessage(func(message webrtc.DataChannelMessage) {
				hash.Write(message.Data)
				_, err := file.Write(message.Data)
				must(err)
				bytes -= int64(len(message.Data))
				if bytes == 0 {
					must(file.Sync())
					must(channel.SendText("done"))
					done <- hex.EncodeToString(hash.Sum(nil))
				}
			})
		})
		readDescription()
		describe(peer.CreateAnswer(nil))
	}
	reportUse(<-done)
	// The sender has the last message by now. The parent closes stdin to end this process.
	io.Copy(io.Discard, lines)
}

func send(channel *webrtc.DataChannel, path string) {
	file, err := os.Open(path)
	must(err)
	low := make(chan struct{}, 1)
	channel.SetBufferedAmountLowThreshold(bufferBytes / 2)
	channel.OnBufferedAmountLow(func() {
		select {
		case low <- struct{}{}:
		default:
		}
	})
	data := make([]byte, messageBytes)
	for {
		count, err := file.Read(data)
		if err == io.EOF {
			return
		}
		must(err)
		must(channel.Send(data[:count]))
		if channel.BufferedAmount() >= bufferBytes {
			<-low
		}
	}
}
