;; Looks for the pairs of bytes of a PairTable (src/rules/search/pairs.ts tells what that is, and how it is laid out here).
;; scanners/pair-search.ts is made of it: npm run web-assembly.
;;
;; Memory: a PairTable's image, the output (8 bytes a hit: row, and address of its first compared byte), and the bytes to be searched.
(module
  (import "table" "memory" (memory 1))
  (import "table" "out" (global $out i32))
  (import "table" "outEnd" (global $outEnd i32))

  ;; where to go on when the output was full; `to` when all was looked at
  (global $next (export "next") (mut i32) (i32.const 0))

  ;; The pairs that begin at address `at` up to `to`, of bytes that lie from `low` to `high`; returns the end of the output.
  (func (export "search")
    (param $at i32) (param $to i32) (param $low i32) (param $high i32) (result i32)
    (local $last i32) (local $hits i32) (local $before i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local.set $hits (global.get $out))
    (local.set $last (i32.sub (local.get $to) (i32.const 3)))
    (block $full
      (loop $four
        (if (i32.lt_s (local.get $at) (local.get $last))
          (then
            (local.set $a (i32.load8_u (i32.load16_u (local.get $at))))
            (local.set $b (i32.load8_u (i32.load16_u offset=1 (local.get $at))))
            (local.set $c (i32.load8_u (i32.load16_u offset=2 (local.get $at))))
            (local.set $d (i32.load8_u (i32.load16_u offset=3 (local.get $at))))
            (if (i32.or (i32.or (local.get $a) (local.get $b)) (i32.or (local.get $c) (local.get $d)))
              (then
                (if (local.get $a) (then
                  (local.set $hits (call $pair (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
                  (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (if (local.get $b) (then
                  (local.set $hits (call $pair (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
                  (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (if (local.get $c) (then
                  (local.set $hits (call $pair (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
                  (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (if (local.get $d) (then
                  (local.set $hits (call $pair (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
                  (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))))
                (local.set $at (i32.add (local.get $at) (i32.const 1)))
                (br $four)))
            (local.set $at (i32.add (local.get $at) (i32.const 4)))
            (br $four))))
      ;; fewer than four are left
      (loop $one
        (if (i32.lt_s (local.get $at) (local.get $to))
          (then
            (local.set $hits (call $pair (local.get $at) (local.get $low) (local.get $high) (local.tee $before (local.get $hits))))
            (br_if $full (i32.lt_s (local.get $hits) (i32.const 0)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br $one))))
      (local.set $before (local.get $hits)))
    (global.set $next (local.get $at))
    (local.get $before))

  ;; The rows of which the pair at `at` is one, into the output from `hits` on; returns its new end, or -1 where there is no room for them all.
  (func $pair (param $at i32) (param $low i32) (param $high i32) (param $hits i32) (result i32)
    ;; lists by pair stand at 65536, those by first byte at 327680, the one for all places at 328704
    (local.set $hits (call $list
      (i32.load offset=65536 (i32.shl (i32.load16_u (local.get $at)) (i32.const 2)))
      (local.get $at) (local.get $low) (local.get $high) (local.get $hits)))
    (if (i32.lt_s (local.get $hits) (i32.const 0)) (then (return (local.get $hits))))
    (local.set $hits (call $list
      (i32.load offset=327680 (i32.shl (i32.load8_u (local.get $at)) (i32.const 2)))
      (local.get $at) (local.get $low) (local.get $high) (local.get $hits)))
    (if (i32.lt_s (local.get $hits) (i32.const 0)) (then (return (local.get $hits))))
    (call $list (i32.load offset=328704 (i32.const 0))
      (local.get $at) (local.get $low) (local.get $high) (local.get $hits)))

  ;; The same of one list, from `link` on.
  (func $list (param $link i32) (param $at i32) (param $low i32) (param $high i32) (param $hits i32) (result i32)
    (local $row i32) (local $start i32) (local $check i32) (local $end i32) (local $byte i32)
    (loop $links
      (if (i32.eqz (local.get $link)) (then (return (local.get $hits))))
      ;; rows, 64 bytes each: sixteen values and masks, index, bytes before the pair, bytes in all, where checks begin and end
      (local.set $row (i32.load (local.get $link)))
      (local.set $link (i32.load offset=4 (local.get $link)))
      (local.set $start (i32.sub (local.get $at) (i32.load offset=36 (local.get $row))))
      (br_if $links (i32.eqz (i8x16.all_true (i8x16.eq
        (v128.and (v128.load (local.get $start)) (v128.load offset=16 (local.get $row)))
        (v128.load (local.get $row))))))
      (br_if $links (i32.lt_s (local.get $start) (local.get $low)))
      (br_if $links (i32.gt_s (i32.add (local.get $start) (i32.load offset=40 (local.get $row))) (local.get $high)))
      ;; checks, 8 bytes each: which byte, and the address of the 256 bits of its set
      (local.set $check (i32.load offset=44 (local.get $row)))
      (local.set $end (i32.load offset=48 (local.get $row)))
      (loop $checks
        (if (i32.lt_u (local.get $check) (local.get $end))
          (then
            (local.set $byte (i32.load8_u (i32.add (local.get $start) (i32.load (local.get $check)))))
            (br_if $links (i32.eqz (i32.and (i32.const 1) (i32.shr_u
              (i32.load8_u (i32.add (i32.load offset=4 (local.get $check)) (i32.shr_u (local.get $byte) (i32.const 3))))
              (i32.and (local.get $byte) (i32.const 7))))))
            (local.set $check (i32.add (local.get $check) (i32.const 8)))
            (br $checks))))
      (if (i32.ge_u (local.get $hits) (global.get $outEnd)) (then (return (i32.const -1))))
      (i32.store (local.get $hits) (i32.load offset=32 (local.get $row)))
      (i32.store offset=4 (local.get $hits) (local.get $start))
      (local.set $hits (i32.add (local.get $hits) (i32.const 8)))
      (br $links))
    (unreachable)))
