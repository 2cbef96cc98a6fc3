use tidegate_bench_sig::data;
use std::path::Path;
fn main(){
 let (_,pats)=data::patterns(Path::new("../shared/rules/et-open/et-open.rules"));
 let real = data::payloads(Path::new("../shared/captures"));
 let all = data::all(Path::new("../shared"), &real);
 for n in [10,100,1000,10000]{
  let p=&pats[..n.min(pats.len())];
  let mut c=[0usize;12];
  for x in p { c[x.len().min(11)]+=1; }
  println!("{n}: by length {:?}", c);
  let mut b=tidegate_core::sig::Builder::new();
  for (i,x) in p.iter().enumerate(){ b.add(x,true,i as u32).unwrap(); }
  let db=b.build();
  println!("  {}", db.describe());
  for d in &all {
   let (mut ca,mut he,mut ma)=(0u64,0u64,0u64); let mut by=0usize;
   let mut small=0usize;
   for x in &d.pieces { let w=db.work(x); ca+=w.candidates; he+=w.compared as u64; ma+=w.matches; by+=x.len(); if x.len()<70 {small+=1;} }
   println!("  {}: per KB candidates {:.2} heads {:.2} matches {:.2} (pieces {} small {})", d.name, ca as f64*1024./by as f64, he as f64*1024./by as f64, ma as f64*1024./by as f64, d.pieces.len(), small);
  }
 }
}
