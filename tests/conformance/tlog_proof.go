// Verify a C2SP tlog-proof with Go's own sumdb packages (golang.org/x/mod, BSD-3-Clause).
// usage: tlog_proof VKEY FILE.tlog-proof LEAF-FILE
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func fail(what string, err error) {
	fmt.Println(what, err)
	os.Exit(1)
}

func main() {
	verifier, err := note.NewVerifier(os.Args[1])
	if err != nil {
		fail("KEY", err)
	}
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		fail("FILE", err)
	}
	leaf, err := os.ReadFile(os.Args[3])
	if err != nil {
		fail("FILE", err)
	}
	end := bytes.Index(text, []byte("\n\n"))
	lines := strings.Split(string(text[:end]), "\n")
	if lines[0] != "c2sp.org/tlog-proof@v1" {
		fail("MAGIC", nil)
	}
	lines = lines[1:]
	if strings.HasPrefix(lines[0], "extra ") {
		lines = lines[1:]
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[0], "index "), 10, 64)
	if err != nil {
		fail("INDEX", err)
	}
	var proof tlog.RecordProof
	for _, line := range lines[1:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			fail("HASH", err)
		}
		proof = append(proof, hash)
	}
	opened, err := note.Open(text[end+2:], note.VerifierList(verifier))
	if err != nil {
		fail("NOTE", err)
	}
	checkpoint := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(checkpoint[1], 10, 64)
	if err != nil {
		fail("SIZE", err)
	}
	raw, err := base64.StdEncoding.DecodeString(checkpoint[2])
	if err != nil {
		fail("ROOT", err)
	}
	var root tlog.Hash
	copy(root[:], raw)
	if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(leaf)); err != nil {
		fail("PROOF", err)
	}
	fmt.Println("OK", checkpoint[0], size, index)
}
